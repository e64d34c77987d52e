package server_test

import (
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/rag/server"
)

func TestServer_Authenticates(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, func(c *server.Config) { c.APIKey = "right" })
	a.key = ""
	guest, ok := a.decode(a.send(http.MethodGet, "/auth-status", ""), http.StatusOK)["access_token"].(string)
	if !ok || strings.Count(guest, ".") != 2 {
		t.Fatalf("the guest token is %q", guest)
	}
	tests := map[string]struct {
		headers []string
		status  int
		detail  string
	}{
		"nothing":                   {nil, 403, "API Key required"},
		"right key":                 {[]string{"X-API-Key", "right"}, 200, ""},
		"wrong key":                 {[]string{"X-API-Key", "wrong"}, 403, "Invalid API Key"},
		"longer key":                {[]string{"X-API-Key", "right "}, 403, "Invalid API Key"},
		"right bearer":              {[]string{"Authorization", "Bearer right"}, 200, ""},
		"bearer in small letters":   {[]string{"Authorization", "bearer right"}, 200, ""},
		"wrong bearer":              {[]string{"Authorization", "Bearer wrong"}, 401, "Invalid token. Please login again."},
		"wrong bearer, right key":   {[]string{"Authorization", "Bearer wrong", "X-API-Key", "right"}, 401, "Invalid token. Please login again."},
		"guest":                     {[]string{"Authorization", "Bearer " + guest}, 403, "API Key required"},
		"guest, right key":          {[]string{"Authorization", "Bearer " + guest, "X-API-Key", "right"}, 200, ""},
		"forged guest, right key":   {[]string{"Authorization", "Bearer " + guest[:len(guest)-2] + "xx", "X-API-Key", "right"}, 401, "Invalid token. Please login again."},
		"basic, right key":          {[]string{"Authorization", "Basic cmlnaHQ6", "X-API-Key", "right"}, 200, ""},
		"empty bearer, right key":   {[]string{"Authorization", "Bearer ", "X-API-Key", "right"}, 401, "Invalid token. Please login again."},
		"guest with wrong key":      {[]string{"Authorization", "Bearer " + guest, "X-API-Key", "no"}, 403, "Invalid API Key"},
		"right bearer and bad key":  {[]string{"Authorization", "Bearer right", "X-API-Key", "no"}, 200, ""},
		"a key in the wrong header": {[]string{"X-Auth", "right"}, 403, "API Key required"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := a.send(http.MethodGet, "/documents/status_counts", "", test.headers...)
			if r.Code != test.status || test.detail != "" && !strings.Contains(r.Body.String(), `{"detail":"`+test.detail+`"}`) {
				t.Errorf("got %d %s, want %d %s", r.Code, r.Body, test.status, test.detail)
			}
			if (r.Code == 401) != (r.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("got %d with WWW-Authenticate %q", r.Code, r.Header().Get("WWW-Authenticate"))
			}
		})
	}
}

// Every route but the public ones refuses a request without a key, and so does a path that there is no route for.
func TestServer_EveryRouteNeedsTheKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, func(c *server.Config) { c.APIKey, c.Prefix = "right", "/w/alpha" })
	a.key = ""
	public := map[string]bool{"/health": true, "/auth-status": true, "/login": true}
	paths := []string{
		"/", "/health", "/auth-status", "/login", "/auth/verify", "/documents", "/documents/upload", "/documents/text", "/documents/texts",
		"/documents/paginated", "/documents/status_counts", "/documents/track_status/x", "/documents/pipeline_status", "/documents/delete_document",
		"/documents/supported_file_types", "/documents/cancel_pipeline", "/documents/reprocess_failed", "/query", "/query/stream", "/query/data",
		"/api/version", "/api/tags", "/api/ps", "/api/chat", "/api/generate", "/nowhere", "/health/", "//health", "/documents/../health/x",
	}
	for _, path := range paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodPut, http.MethodOptions} {
			for _, prefix := range []string{"", "/w/alpha"} {
				r := a.send(method, prefix+path, "{}")
				if refused := r.Code == http.StatusForbidden; refused == public[path] {
					t.Errorf("%s %s without a key: %d %s", method, prefix+path, r.Code, r.Body)
				}
			}
		}
	}
}

func TestServer_HealthTellsMoreToTheKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, func(c *server.Config) { c.APIKey = "right" })
	for key, full := range map[string]bool{"right": true, "wrong": false, "": false} {
		a.key = key
		health := a.decode(a.send(http.MethodGet, "/health", ""), http.StatusOK)
		if health["status"] != "healthy" || health["pipeline_busy"] != false || health["pipeline_active"] == nil {
			t.Errorf("with %q health is %v", key, health)
		}
		for _, secret := range []string{"working_directory", "input_directory", "configuration", "instance"} {
			if _, told := health[secret]; told != full {
				t.Errorf("with key %q, %s is told: %v", key, secret, told)
			}
		}
	}
}

func TestServer_TakesItsPrefixAndDoesWithout(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, func(c *server.Config) { c.Prefix = "/w/alpha" })
	for path, status := range map[string]int{
		"/w/alpha/health": 200, "/health": 200, "/w/alpha/api/version": 200, "/w/alpha": 200, "/w/alphabet/health": 404, "/w/beta/health": 404, "/w/alpha/nothing": 404,
	} {
		if r := a.send(http.MethodGet, path, ""); r.Code != status {
			t.Errorf("%s answered %d, want %d", path, r.Code, status)
		}
	}
}

func TestServer_AnswersWhatItHasNoRouteFor(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, nil)
	if r := a.send(http.MethodGet, "/nothing", ""); r.Code != 404 || r.Body.String() != `{"detail":"Not Found"}`+"\n" {
		t.Errorf("got %d %s", r.Code, r.Body)
	}
	r := a.send(http.MethodPut, "/documents", "")
	if r.Code != 405 || r.Body.String() != `{"detail":"Method Not Allowed"}`+"\n" || strings.Join(r.Header().Values("Allow"), ", ") != "GET, DELETE" {
		t.Errorf("got %d %s, allowed %v", r.Code, r.Body, r.Header().Values("Allow"))
	}
	if r := a.send(http.MethodGet, "/", ""); r.Code != 200 || !strings.HasPrefix(r.Body.String(), "Ollama is running") {
		t.Errorf("got %d %s", r.Code, r.Body)
	}
}
