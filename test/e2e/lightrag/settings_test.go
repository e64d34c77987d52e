package lightrag

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// TestSettings_OfALightRAGAreEnough puts a router into the place of a server, beside its .env, as the README says.
func TestSettings_OfALightRAGAreEnough(t *testing.T) {
	t.Parallel()
	const key = "the-key-of-the-env"
	r := place(t, newest)
	settings := append(r.environment, "LIGHTRAG_API_KEY="+key, "HOST=127.0.0.1", "PORT=9621", "WORKSPACE=astrid", "AUTH_ACCOUNTS=")
	if err := os.WriteFile(filepath.Join(r.folder, ".env"), []byte(strings.Join(settings, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	r.environment = []string{"ROUTER_POOL_WAIT=" + patience.String(), "PATH=" + filepath.Join(places[newest], "bin") + ":" + os.Getenv("PATH")}
	r.start(t)
	r.Key = key
	r.upload(t, "astrid", "notes.txt", ofAstrid)
	r.upload(t, "duarte", "notes.txt", ofDuarte)
	r.indexed(t, "astrid", 1)
	r.indexed(t, "duarte", 1)

	// A client that names no workspace is served as before, from the one that the server had.
	ask := post("/query", `{"query":"Which Keeper lights the Lighthouse?","mode":"mix"}`)
	if answer := r.Must(t, http.StatusOK, ask); !strings.Contains(answer.Body, "Astrid") || strings.Contains(answer.Body, "Duarte") {
		t.Errorf("got %s, want Astrid's answer", answer.Body)
	}
	r.Must(t, http.StatusUnauthorized, testkit.Request{Method: ask.Method, Path: ask.Path, Body: ask.Body, NoKey: true})

	// Its key opens the router, never a worker.
	variables := r.live(t, "astrid").variables(t)
	if variables["LIGHTRAG_API_KEY"] == key || len(variables["LIGHTRAG_API_KEY"]) < 40 || variables["WORKSPACE"] == "astrid" {
		t.Error("a worker has the key or the workspace of the .env")
	}
	if variables["LLM_MODEL"] == "" {
		t.Error("a worker lacks the model of the .env")
	}
}
