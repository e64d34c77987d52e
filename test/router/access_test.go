package router

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

func TestAccess_WithoutAValidKeyNothingIsStartedOrTold(t *testing.T) {
	t.Parallel()
	r := start(t)
	insert(t, r, "alpha", "otters.txt", otters)
	for _, path := range []string{"/w/alpha/documents", "/w/unknown/documents", "/documents", "/api/v1/workers", "/workspaces", "/w/alpha/", "/docs"} {
		for name, header := range map[string]http.Header{
			"none":           {},
			"wrong key":      {"X-Api-Key": {"sk-" + strings.Repeat("0", 64)}},
			"wrong bearer":   {"Authorization": {"Bearer nonsense"}},
			"empty key":      {"X-Api-Key": {""}},
			"first one wins": {"X-Api-Key": {"wrong"}, "Authorization": {"Bearer " + r.Key}},
		} {
			response := r.Must(t, http.StatusUnauthorized, testkit.Request{Path: path, Header: header, NoKey: true})
			if response.Header.Get("WWW-Authenticate") == "" || strings.Contains(response.Body, "alpha") {
				t.Errorf("%s, %s: got %v %s", path, name, response.Header, response.Body)
			}
		}
	}
	if list := r.Workers(t); len(list) != 1 || list[0].Workspace != "alpha" {
		t.Errorf("workers are %v, want alpha's alone", list)
	}
}

func TestAccess_PublicRoutesStartNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/livez", "/readyz", "/health"} {
		r.Must(t, http.StatusOK, testkit.Request{Path: path, NoKey: true})
	}
	for _, path := range []string{"/health", "/w/alpha/health", "/w/alpha/api/tags", "/w/alpha/api/version", "/workspaces"} {
		r.Must(t, http.StatusOK, testkit.Request{Path: path})
	}
	if list := r.Workers(t); len(list) != 0 {
		t.Errorf("workers are %v, want none", list)
	}
}

func TestAccess_SelectorsThatCannotBeServed(t *testing.T) {
	t.Parallel()
	r := start(t, "LIGHTRAG_ALLOW_DEFAULT_WORKSPACE=false", "ROUTER_AUTO_CREATE=off")
	for name, test := range map[string]struct {
		path   string
		header http.Header
		status int
		code   string
	}{
		"none":           {"/documents", nil, 400, "workspace_required"},
		"blank":          {"/documents", http.Header{"Lightrag-Workspace": {""}}, 400, "workspace_invalid"},
		"bad characters": {"/documents", http.Header{"Lightrag-Workspace": {"a b"}}, 400, "workspace_invalid"},
		"conflict":       {"/w/alpha/documents", http.Header{"Lightrag-Workspace": {"beta"}}, 400, "workspace_conflict"},
		"unknown":        {"/w/alpha/documents", nil, 404, "workspace_not_found"},
		"dots":           {"/w/alpha/../beta/documents", nil, 400, "path_invalid"},
		"double slash":   {"/w/alpha//documents", nil, 400, "path_invalid"},
	} {
		response := r.Must(t, test.status, testkit.Request{Path: test.path, Header: test.header})
		if !strings.Contains(response.Body, `"`+test.code+`"`) || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: got %s, want code %s", name, response.Body, test.code)
		}
	}
}

func TestAccess_SecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	r := start(t, "LOG_LEVEL=debug", "LIGHTRAG_API_KEY=a-key-of-the-old-days")
	insert(t, r, "alpha", "otters.txt", otters)
	ask(t, r, "alpha", askOtter)
	r.Must(t, http.StatusOK, testkit.Request{Path: "/w/alpha/documents", Header: http.Header{"X-Api-Key": {"a-key-of-the-old-days"}}, NoKey: true})
	info, err := os.Stat(filepath.Join(r.DataDir, "admin.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("admin.key: %v %v, want mode 0600", info.Mode(), err)
	}
	r.Terminate(t)
	places := map[string]string{"the router's output": r.Output()}
	for _, pattern := range []string{"logs/*", "catalog.db*"} {
		paths, err := filepath.Glob(filepath.Join(r.DataDir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			places[path] = string(content)
		}
	}
	for place, content := range places {
		for _, secret := range []string{r.Key, "a-key-of-the-old-days", "sleep afloat"} {
			if strings.Contains(content, secret) {
				t.Errorf("%s holds %q", place, secret)
			}
		}
	}
}
