package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/catalog"
	"workspace-router/internal/testkit"
)

const tenantAPI = "/api/v1/tenants"

// data gives what the tenant API answered, out of its envelope.
func data(t *testing.T, response testkit.Response) map[string]any {
	t.Helper()
	var answer struct{ Data map[string]any }
	if err := response.JSON(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Data
}

// A tenant is made, given a key, suspended, resumed and deleted, and after each step its key opens what it should.
func TestTenant_FromFirstToLast(t *testing.T) {
	t.Parallel()
	r := start(t)
	tenant := data(t, r.Must(t, http.StatusCreated, testkit.Request{Method: "POST", Path: tenantAPI, Body: `{"tenant_name":"Test Tenant"}`}))
	root := fmt.Sprintf("%s/%s", tenantAPI, tenant["tenant_id"])
	base := data(t, r.Must(t, http.StatusCreated, testkit.Request{Method: "POST", Path: root + "/knowledge-bases", Body: `{"kb_name":"Test KB"}`}))
	stdout, stderr, code := r.CLI(t, "key", "create", "--tenant", "test-tenant", "--name", "test-key", "--workspace", fmt.Sprint(base["kb_id"]),
		"--permission", "query:run,document:read,document:write", "-o", "json")
	var key struct {
		ID     string `json:"key_id"`
		Secret string `json:"key"`
	}
	if err := json.Unmarshal([]byte(stdout), &key); err != nil || code != 0 {
		t.Fatalf("exit %d: %s%s: %v", code, stdout, stderr, err)
	}
	ask := func(status int, errorCode string, request testkit.Request) testkit.Response {
		t.Helper()
		if request.NoKey = true; request.Header == nil {
			request.Header = http.Header{}
		}
		request.Header.Set("X-Api-Key", key.Secret)
		response := r.Must(t, status, request)
		if got := response.Header.Get("X-Router-Error"); got != errorCode {
			t.Errorf("%s: got the error %q, want %q: %s", request.Path, got, errorCode, response.Body)
		}
		return response
	}
	kb := fmt.Sprintf("%s/knowledge-bases/%s", root, base["kb_id"])
	const boundary = "--boundary\r\n"
	upload := testkit.Request{Method: "POST", Path: kb + "/documents/add", Body: boundary +
		"Content-Disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\nthe capital of Alphaland is Aurora\r\n--boundary--\r\n"}
	upload.Header = http.Header{"Content-Type": {"multipart/form-data; boundary=boundary"}}
	ask(http.StatusOK, "", upload)
	query := testkit.Request{Method: "POST", Path: kb + "/query", Body: `{"query":"What is the capital of Alphaland?","mode":"mix","top_k":10}`}
	testkit.Eventually(t, "the document to be found", func() error {
		if answer := ask(http.StatusOK, "", query); !strings.Contains(answer.Body, "Aurora") {
			return errors.New(answer.Body)
		}
		return nil
	})
	if denied := ask(http.StatusForbidden, "permission_denied", testkit.Request{Method: "DELETE", Path: "/w/test-kb/documents"}); !strings.Contains(denied.Body, "document:delete") {
		t.Errorf("the permission is not named: %s", denied.Body)
	}
	for _, other := range []string{"default", "no-such-tenant"} {
		ask(http.StatusForbidden, "tenant_forbidden", testkit.Request{Path: tenantAPI + "/" + other})
	}
	ask(http.StatusOK, "", testkit.Request{Path: root})

	cli := func(want int, arguments ...string) string {
		t.Helper()
		stdout, stderr, code := r.CLI(t, arguments...)
		if code != want {
			t.Errorf("%v: exit %d, want %d: %s%s", arguments, code, want, stdout, stderr)
		}
		return stdout + stderr
	}
	cli(0, "tenant", "suspend", "test-tenant")
	ask(http.StatusForbidden, "tenant_suspended", testkit.Request{Path: "/w/test-kb/documents"})
	cli(0, "tenant", "resume", "test-tenant")
	ask(http.StatusOK, "", testkit.Request{Path: "/w/test-kb/documents"})

	if shown := cli(0, "key", "list", "--tenant", "test-tenant"); !strings.Contains(shown, key.ID) || strings.Contains(shown, key.Secret) {
		t.Errorf("the keys: %s", shown)
	}
	cli(3, "key", "revoke", key.ID) // it is not the default tenant's
	cli(2, "tenant", "delete", "test-tenant")
	if list := cli(0, "tenant", "list"); !strings.Contains(list, "Test Tenant") {
		t.Errorf("unconfirmed, it was deleted: %s", list)
	}
	r.Must(t, http.StatusOK, testkit.Request{Method: "DELETE", Path: root + "/knowledge-bases/test-kb"})
	ask(http.StatusGone, "workspace_deleted", testkit.Request{Path: "/w/test-kb/documents"})
	trash := filepath.Join(r.DataDir, "trash", fmt.Sprintf("test-tenant.test-kb.%s", base["kb_id"]))
	if _, err := os.Stat(trash); err != nil || len(r.Workers(t)) != 0 {
		t.Errorf("its data are not in the trash, or its worker runs: %v, %v", err, r.Workers(t))
	}
	cli(0, "tenant", "delete", "test-tenant", "--yes")
	ask(http.StatusUnauthorized, "unauthenticated", testkit.Request{Path: "/w/test-kb/documents"})
	if shown := cli(3, "tenant", "show", "test-tenant"); !strings.Contains(shown, "tenant_not_found") {
		t.Errorf("after its deletion: %s", shown)
	}
}

// A stream that is open with a key ends when the key is revoked, and one in a tenant when that is suspended.
func TestTenant_RevocationCutsStreams(t *testing.T) {
	t.Parallel()
	r := start(t, "ROUTER_KIND_FILES="+filepath.Join(testkit.Root(), "test/hostile/hostile.yaml"), "ROUTER_DEFAULT_KIND=hostile")
	root := tenantAPI + "/default"
	for name, end := range map[string]func(id string){
		"revoked": func(id string) {
			r.Must(t, http.StatusOK, testkit.Request{Method: "DELETE", Path: root + "/api-keys/" + id})
		},
		"suspended": func(string) {
			r.Must(t, http.StatusOK, testkit.Request{Method: "PATCH", Path: root, Body: `{"is_active":false}`})
			r.Must(t, http.StatusOK, testkit.Request{Method: "PATCH", Path: root, Body: `{"is_active":true}`})
		},
	} {
		made := data(t, r.Must(t, http.StatusCreated, testkit.Request{Method: "POST", Path: root + "/api-keys", Body: `{"key_name":"k","permissions":["query:run","document:read","workspace:create"]}`}))
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		defer cancel()
		header := http.Header{"X-Api-Key": {fmt.Sprint(made["key"])}}
		response, err := r.Open(ctx, testkit.Request{Path: "/w/streams/stream?lines=100000&pause=50ms", NoKey: true, Header: header})
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		first := make([]byte, 1)
		if _, err := response.Body.Read(first); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d, %v", name, response.StatusCode, err)
		}
		end(fmt.Sprint(made["key_id"]))
		rest := make([]byte, 1<<16)
		for err == nil {
			_, err = response.Body.Read(rest)
		}
		if ctx.Err() != nil {
			t.Errorf("%s: the stream went on", name)
		}
	}
}

// What a router that was killed had deleted in the catalog only, the next one puts away.
func TestTenant_DeletionGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	r := testkit.StartRouter(t, binaries, dir)
	r.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents"})
	r.Terminate(t)
	c, err := catalog.Open(t.Context(), catalog.Config{Path: filepath.Join(dir, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Lookup(t.Context(), "default", "alpha")
	if err == nil {
		err = c.MarkDeleted(t.Context(), w.Generation)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	r = testkit.StartRouter(t, binaries, dir)
	testkit.Eventually(t, "its data to be in the trash", func() error {
		_, err := os.Stat(filepath.Join(dir, "trash", "alpha."+string(w.Generation)))
		return err
	})
	r.Must(t, http.StatusCreated, testkit.Request{Method: "POST", Path: tenantAPI + "/default/knowledge-bases", Body: `{"kb_name":"alpha"}`})
	r.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents"}) // the name is free, and another body of data
}
