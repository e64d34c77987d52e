package router

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// bare sends a request without any credential; a header "Host" is the request's own.
func bare(t *testing.T, url, method, path, body string, header ...string) testkit.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	message, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	message.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		message.Header.Set(header[i], header[i+1])
	}
	message.Host = message.Header.Get("Host")
	response, err := http.DefaultTransport.RoundTrip(message) // which follows no redirection
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return testkit.Response{Status: response.StatusCode, Header: response.Header, Body: string(content)}
}

// keyless are the settings of a single server that asked for no key.
const keyless = "LIGHTRAG_DEFAULT_WORKSPACE=astrid"

func TestAnonymous_AServerWithoutAKeyGoesOnSo(t *testing.T) {
	t.Parallel()
	r := start(t, keyless)
	if !strings.Contains(r.Output(), "no credential is asked for: every user and program of this machine can read and change the default workspace") {
		t.Errorf("nothing warns of it:\n%s", r.Output())
	}
	if got := bare(t, r.URL, "POST", "/documents/text", `{"text":"Otters sleep in kelp.","file_source":"o.txt"}`); got.Status != http.StatusOK {
		t.Fatalf("a document: %d %s", got.Status, got.Body)
	}
	insert(t, r, "alpha", "bridges.txt", bridges)
	testkit.Eventually(t, "it to be found", func() error {
		got := bare(t, r.URL, "POST", "/query", `{"query":"Where do otters sleep?"}`)
		if got.Status != http.StatusOK || !strings.Contains(got.Body, "kelp") {
			return fmt.Errorf("%d %s", got.Status, got.Body)
		}
		return nil
	})
	for path, want := range map[string]int{
		"/w/alpha/documents": 401, "/w/nowhere/documents": 401, "/workspaces": 401, "/api/v1/workspaces": 401, "/api/v1/workers": 401,
		"/api/v1/whoami": 401, "/w/astrid/documents": 200, "/health": 200, "/livez": 200, "/metrics": 404,
	} {
		if got := bare(t, r.URL, "GET", path, ""); got.Status != want {
			t.Errorf("%s: got %d %s, want %d", path, got.Status, got.Body, want)
		}
	}
	if got := bare(t, r.Operator, "GET", "/api/v1/workers", ""); got.Status != http.StatusUnauthorized {
		t.Errorf("the operator's listener: %d %s", got.Status, got.Body)
	}
	if got := bare(t, r.URL, "GET", "/documents", "", "Host", "evil.example"); got.Status != http.StatusMisdirectedRequest {
		t.Errorf("by a bent name: %d %s", got.Status, got.Body)
	}
	if got := bare(t, r.URL, "GET", "/documents", "", "Origin", "https://evil.example"); got.Status != http.StatusUnauthorized {
		t.Errorf("by a foreign page: %d %s", got.Status, got.Body)
	}
}

func TestAnonymous_OnOtherAddressesSomebodyMustSaySo(t *testing.T) {
	t.Parallel()
	serve := exec.CommandContext(t.Context(), binaries.Path("router"), "serve", "--data", dataDir(t), "--listen", "0.0.0.0:0", "--operator-listen", "127.0.0.1:0")
	serve.Env, serve.Dir = []string{keyless}, filepath.Dir(dataDir(t))
	output, err := serve.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "ENV LIGHTRAG_DEFAULT_WORKSPACE: anonymous: is needed") {
		t.Errorf("it started: %v\n%s", err, output)
	}
	closed := start(t, keyless, "ROUTER_ANONYMOUS=off")
	if got := bare(t, closed.URL, "GET", "/documents", ""); got.Status != http.StatusUnauthorized {
		t.Errorf("with anonymous: off: %d %s", got.Status, got.Body)
	}
}

// Without settings of a single server there is nothing to take over, and a key is asked for.
func TestAnonymous_IsOffByItself(t *testing.T) {
	t.Parallel()
	r := start(t)
	if got := bare(t, r.URL, "GET", "/documents", ""); got.Status != http.StatusUnauthorized {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if strings.Contains(r.Output(), "no credential is asked for") {
		t.Errorf("it warns:\n%s", r.Output())
	}
}
