package lightrag

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// untouched are requests of a client that knows a host and a port, and whose answers depend on the data alone.
func untouched() []request {
	return []request{
		{http.MethodGet, "/documents/status_counts", "", ""},
		{http.MethodPost, "/documents/paginated", `{"page":1,"page_size":10}`, "application/json"},
		{http.MethodGet, "/documents/supported_file_types", "", ""},
		{http.MethodGet, "/documents/track_status/none", "", ""},
		{http.MethodGet, "/graph/label/list", "", ""},
		{http.MethodGet, "/graph/label/popular", "", ""},
		{http.MethodGet, "/graphs?label=Astrid&max_depth=2", "", ""},
		{http.MethodGet, "/graph/entity/exists?name=nobody", "", ""},
		{http.MethodPost, "/query", `{"query":"Where does the Lighthouse stand?","mode":"naive"}`, "application/json"},
		{http.MethodPost, "/query", `{"query":"x"}`, "application/json"},
		{http.MethodPost, "/query", `{"broken`, "application/json"},
		{http.MethodPost, "/query/stream", `{"query":"Where does the Lighthouse stand?","mode":"naive"}`, "application/json"},
		{http.MethodPost, "/query/data", `{"query":"Where does the Lighthouse stand?","mode":"naive"}`, "application/json"},
		{http.MethodPost, "/api/chat", `{"model":"lightrag:latest","stream":false,"messages":[{"role":"user","content":"/naive Where is it?"}]}`, "application/json"},
		{http.MethodDelete, "/documents/delete_document", `{"doc_ids":[]}`, "application/json"},
		{http.MethodGet, "/api/version", "", ""},
		{http.MethodGet, "/static/swagger-ui/swagger-ui.css", "", ""},
	}
}

// TestTakeover_WithoutAKeyNothingIsAskedFor compares to the byte what a server without a key answers, and what the router
// answers that is started in its place, beside the same .env, on the same port, without a flag.
func TestTakeover_WithoutAKeyNothingIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, version := range []string{newest, oldest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := place(t, version)
			port := freePort(t)
			settings := append(r.environment, "HOST=127.0.0.1", "PORT="+port)
			if err := os.WriteFile(filepath.Join(r.folder, ".env"), []byte(strings.Join(settings, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			before, again := map[string]result{}, map[string]result{}
			byHand(t, r, version, settings, "", func(url string) {
				for _, one := range untouched() {
					before[one.String()+one.body], again[one.String()+one.body] = keylessly(t, url, one), keylessly(t, url, one)
				}
			})
			r.Router = testkit.StartRouterWith(t, binaries, filepath.Join(r.folder, "data"), []string{"--operator-listen", "127.0.0.1:0"},
				"ROUTER_POOL_WAIT="+patience.String(), "PATH="+filepath.Join(places[version], "bin")+":"+os.Getenv("PATH"))
			if want := "http://127.0.0.1:" + port; r.URL != want {
				t.Fatalf("it listens on %s, want %s as before", r.URL, want)
			}
			volatile := 0
			for _, one := range untouched() {
				want, routed := before[one.String()+one.body], keylessly(t, r.URL, one)
				if again[one.String()+one.body].body != want.body {
					volatile++
					want.body, routed.body = form(t, want.body), form(t, routed.body)
					want.header.Del("Content-Length")
					routed.header.Del("Content-Length")
				}
				for _, name := range routersOwn {
					want.header.Del(name)
					routed.header.Del(name)
				}
				if diff := cmp.Diff(want, routed, cmp.AllowUnexported(result{})); diff != "" {
					t.Errorf("%s %s: - the server before + the router\n%s", one, one.body, diff)
				}
			}
			t.Logf("%d answers compared, %d of them by their form", len(untouched()), volatile)
			for path, want := range map[string]int{"/w/other/documents/status_counts": 401, "/api/v1/workers": 401, "/workspaces": 401} {
				if got := keylessly(t, r.URL, request{method: http.MethodGet, path: path}); got.status != want {
					t.Errorf("%s: got %d %s, want %d", path, got.status, got.body, want)
				}
			}
		})
	}
}

// keylessly sends a request that shows no credential.
func keylessly(t *testing.T, url string, one request) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	message, err := http.NewRequestWithContext(ctx, one.method, url+one.path, strings.NewReader(one.body))
	if err != nil {
		t.Fatal(err)
	}
	message.Header.Set("Accept-Encoding", "identity")
	message.Close = true // the server closes after some answers, which another request would meet
	if one.contentType != "" {
		message.Header.Set("Content-Type", one.contentType)
	}
	response, err := http.DefaultTransport.RoundTrip(message)
	if err != nil {
		t.Fatalf("%s: %v", one, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", one, err)
	}
	return result{response.StatusCode, response.Header, string(body)}
}
