package router

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"workspace-router/internal/testkit"
)

// An installation of root's comes to have a user for each workspace, and goes back, with the same documents; a router that
// is killed leaves its workers to the next one as ever.
func TestUsersOfWorkspaces(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 { // what is named without root is shown by TestUsers_NamedWhereNotGiven
		t.Log("this user cannot give others")
		return
	}
	data := dataDir(t)
	for _, dir := range []string{filepath.Dir(data), filepath.Dir(binaries.Path("router"))} {
		if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // users of workspaces are to pass
			t.Fatal(err)
		}
	}
	const given, first = "ROUTER_ISOLATION_UIDS=1910000000-1910000009", 1910000000
	body := testkit.Request{Method: http.MethodPost, Path: "/w/alpha/documents/text", Body: `{"text":"the capital of Alphaland is Aurora","file_source":"alpha.md"}`}
	r := testkit.StartRouter(t, binaries, data)
	r.Must(t, http.StatusOK, body)
	r.Terminate(t) // it is read at the next start
	for i, settings := range [][]string{{given, "ROUTER_ON_EXIT=keep"}, {given}, {}, {given}} {
		r := testkit.StartRouter(t, binaries, data, settings...)
		testkit.Eventually(t, "the document is found", func() error {
			response := r.Must(t, http.StatusOK, testkit.Request{Method: http.MethodPost, Path: "/w/alpha/query", Body: `{"query":"What is the capital of Alphaland?","mode":"naive","only_need_context":true}`})
			if !strings.Contains(response.Body, "Aurora") {
				return fmt.Errorf("%v: %s", settings, response.Body)
			}
			return nil
		})
		shown, _, _ := r.CLI(t, "worker", "show", "alpha")
		if own := strings.Contains(shown, "own uid"); own != (len(settings) > 0) {
			t.Errorf("%v: %s", settings, shown)
		}
		info, err := os.Stat(filepath.Join(data, "workspaces", "alpha"))
		if err != nil {
			t.Fatal(err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if want := map[bool]uint32{true: first}[len(settings) > 0]; !ok || stat.Uid != want {
			t.Errorf("%v: the directory is user %d's, want %d", settings, stat.Uid, want)
		}
		if i == 0 {
			r.Kill() // the next takes the worker over
		} else {
			r.Terminate(t)
		}
	}
}
