package tenants

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

// Who may do what, route by route: the status for each of people, "" being nobody.
func TestRoutes_AreOpenToWhomTheyAreMeantFor(t *testing.T) {
	t.Parallel()
	type statuses map[string]int
	member := statuses{"": 401, "admin": 200, "operator": 200, "guardian": 200, "editor": 200, "docs": 200, "stranger": 403}
	managing := func(ok int) statuses {
		return statuses{"": 401, "admin": ok, "operator": 403, "guardian": ok, "editor": ok, "docs": 403, "stranger": 403}
	}
	cluster := func(ok int) statuses {
		return statuses{"": 401, "admin": ok, "operator": ok, "guardian": 403, "editor": 403, "docs": 403, "stranger": 403}
	}
	const acme, none = "/api/v1/tenants/acme", "/api/v1/tenants/none"
	cases := map[string]statuses{
		"GET /api/v1/tenants":  {"": 401, "admin": 200, "operator": 200, "guardian": 200, "docs": 200, "stranger": 200},
		"POST /api/v1/tenants": cluster(201),
		"GET " + acme:          member,
		"GET " + none:          {"": 401, "admin": 404, "operator": 404, "guardian": 403, "editor": 403, "docs": 403, "stranger": 403},
		"PATCH " + acme + ` {"tenant_name":"New"}`:                                    {"": 401, "admin": 200, "operator": 200, "guardian": 200, "editor": 403, "docs": 403, "stranger": 403},
		"PATCH " + acme + ` {"is_active":false}`:                                      cluster(200),
		"DELETE " + acme:                                                              cluster(200),
		"DELETE " + none:                                                              {"": 401, "admin": 404, "operator": 404, "guardian": 403, "stranger": 403},
		"GET " + acme + "/knowledge-bases":                                            member,
		"POST " + acme + `/knowledge-bases {"kb_name":"New KB"}`:                      {"": 401, "admin": 201, "operator": 201, "guardian": 201, "editor": 403, "docs": 403, "stranger": 403},
		"GET " + acme + "/knowledge-bases/docs":                                       member,
		"GET " + acme + "/knowledge-bases/notes":                                      {"": 401, "admin": 200, "operator": 200, "guardian": 200, "editor": 200, "docs": 404, "stranger": 403},
		"GET " + acme + "/knowledge-bases/none":                                       {"": 401, "admin": 404, "guardian": 404, "docs": 404, "stranger": 403},
		"PATCH " + acme + `/knowledge-bases/docs {"kb_name":"N"}`:                     {"": 401, "admin": 200, "operator": 200, "guardian": 200, "editor": 403, "docs": 403, "stranger": 403},
		"DELETE " + acme + "/knowledge-bases/docs":                                    {"": 401, "admin": 200, "operator": 200, "guardian": 200, "editor": 403, "docs": 200, "stranger": 403},
		"DELETE " + acme + "/knowledge-bases/notes":                                   {"": 401, "guardian": 200, "docs": 404, "stranger": 403},
		"GET " + acme + "/api-keys":                                                   managing(200),
		"POST " + acme + `/api-keys {"key_name":"k","permissions":["query:run"]}`:     managing(201),
		"POST " + acme + `/api-keys {"key_name":"k","permissions":["graph:write"]}`:   {"admin": 201, "guardian": 201, "editor": 403},
		"POST " + acme + `/api-keys {"key_name":"k","permissions":["cluster:admin"]}`: {"admin": 400, "guardian": 400, "editor": 400},
		"POST " + acme + `/api-keys {"key_name":"k","permissions":["tenant:admin"]}`:  {"admin": 201, "guardian": 201, "editor": 403},
		"GET " + acme + "/api-keys/none":                                              managing(404),
		"DELETE " + acme + "/api-keys/none":                                           managing(404),
		"POST " + acme + "/api-keys/none/rotate":                                      managing(404),
		"PUT " + acme:                                                                 {"": 401, "admin": 405},
		"GET " + acme + "/nothing":                                                    {"": 401, "admin": 404},
	}
	for request, want := range cases {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			method, rest, _ := strings.Cut(request, " ")
			path, body, _ := strings.Cut(rest, " ")
			if method == "POST" && body == "" && path == Root {
				body = `{"tenant_name":"New Tenant"}`
			}
			shared := newRig(t)
			for who, status := range want {
				r := shared
				if method != "GET" && status < 300 { // it changes something
					r = newRig(t)
				}
				if out := r.ask(who, method, path, body); out.Code != status {
					t.Errorf("%q gets %d, want %d: %s", who, out.Code, status, out.Body)
				}
			}
		})
	}
}

// A stranger learns from no answer whether a tenant or a knowledge base is there.
func TestUnknownAndForbidden_AreAnsweredAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, pair := range [][2]string{
		{"/acme", "/none"}, {"/" + r.acme.ID, "/4b1f0c9e-7b1f-4b1f-8b1f-4b1f0c9e7b1f"},
		{"/acme/knowledge-bases/docs", "/none/knowledge-bases/docs"},
		{"/other/knowledge-bases/" + string(r.docs.Generation), "/other/knowledge-bases/none"}, // another tenant's, by its id
		{"/acme/api-keys", "/none/api-keys"},
	} {
		there, missing := r.ask("stranger", "GET", Root+pair[0], ""), r.ask("stranger", "GET", Root+pair[1], "")
		if there.Code != missing.Code || there.Body.String() != missing.Body.String() || fmt.Sprint(there.Header()) != fmt.Sprint(missing.Header()) {
			t.Errorf("%v: %d %s and %d %s", pair, there.Code, there.Body, missing.Code, missing.Body)
		}
	}
}

func TestNames_AreMadeOfDisplayNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, test := range []struct{ display, name string }{
		{"Test Tenant", "test-tenant"}, {"Test  Tenant!", "test-tenant-2"}, {"Bücher & Co.", "b-cher-co"}, {"日本", "tenant"},
		{"中国", "tenant-2"}, {strings.Repeat("x", 90), strings.Repeat("x", 64)}, {strings.Repeat("x", 91), strings.Repeat("x", 62) + "-2"},
	} {
		made := must[Tenant](r, "admin", http.StatusCreated, "POST", Root, fmt.Sprintf(`{"tenant_name":%q}`, test.display))
		if made.Name != test.name || made.DisplayName != test.display || !made.Active || made.ID == "" {
			t.Errorf("%q: got %+v, want the name %q", test.display, made, test.name)
		}
	}
	bases := Root + "/acme/knowledge-bases"
	for _, want := range []string{"test-kb", "test-kb-2"} {
		if made := must[Base](r, "guardian", http.StatusCreated, "POST", bases, `{"kb_name":"Test KB"}`); made.Name != want || made.Workspace != "acme."+want || made.Kind != "embedded" {
			t.Errorf("got %+v, want %q", made, want)
		}
	}
	for body, status := range map[string]int{
		`{"kb_name":"X","name":"docs"}`: 409, `{"kb_name":"X","name":"no name"}`: 400, `{"kb_name":""}`: 400, `{"kb_name":"a\nb"}`: 400,
		`{"kb_name":"X","kind":"none"}`: 400, `{"kb_name":"X","color":"red"}`: 400, `{"kb_name":"X"} {}`: 400, `[]`: 400,
		`{"kb_name":"X","name":"fresh","kind":"lightrag"}`: 201,
	} {
		if out := r.ask("guardian", "POST", bases, body); out.Code != status {
			t.Errorf("%s: got %d, want %d: %s", body, out.Code, status, out.Body)
		}
	}
}

func TestPatch_IsCompareAndSet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, path := range []string{Root + "/acme", Root + "/acme/knowledge-bases/docs"} {
		field := "tenant_name"
		if strings.Contains(path, "docs") {
			field = "kb_name"
		}
		if etag := r.ask("guardian", "GET", path, "").Header().Get("ETag"); etag != `"1"` {
			t.Errorf("%s: the ETag is %s", path, etag)
		}
		for i, step := range []struct {
			revision, header string
			status           int
		}{
			{"1", "", 200}, {"1", "", 409}, {"0", `If-Match: "2"`, 200}, {"0", `If-Match: "2"`, 409}, {"0", "", 200}, {"0", "If-Match: x", 400},
			{"4", `If-Match: "5"`, 400}, {"0", "If-Match: *", 200},
		} {
			headers := []string{}
			if step.header != "" {
				headers = append(headers, step.header)
			}
			body := fmt.Sprintf(`{%q:"Name %d","revision":%s}`, field, i, step.revision)
			if out := r.ask("guardian", "PATCH", path, body, headers...); out.Code != step.status {
				t.Errorf("%s step %d: got %d, want %d: %s", path, i, out.Code, step.status, out.Body)
			}
		}
	}
}

func TestSuspension_CutsAndIsTheOperatorsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if suspended := must[Tenant](r, "operator", http.StatusOK, "PATCH", Root+"/acme", `{"is_active":false}`); suspended.Active {
		t.Errorf("got %+v", suspended)
	}
	if got := r.tellings(); got != "cut acme" {
		t.Errorf("the pool was told %q", got)
	}
	if shown := must[Base](r, "guardian", http.StatusOK, "GET", Root+"/acme/knowledge-bases/docs", ""); shown.State != "suspended" {
		t.Errorf("got %+v", shown)
	}
	if out := r.ask("guardian", "POST", Root+"/acme/knowledge-bases", `{"kb_name":"X"}`); out.Header().Get("X-Router-Error") != "tenant_suspended" {
		t.Errorf("got %d %s", out.Code, out.Body)
	}
	if out := r.ask("guardian", "PATCH", Root+"/acme", `{"is_active":true}`); out.Code != http.StatusForbidden {
		t.Errorf("it resumed itself: %s", out.Body)
	}
}

// The catalog comes first, then the worker; what the pool cannot do at once does not undo the deletion.
func TestDelete_EndsWorkersAfterTheCatalogSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fails = errors.New("the worker is quarantined")
	if out := r.ask("guardian", "DELETE", Root+"/acme/knowledge-bases/"+strings.ToUpper(string(r.docs.Generation)), ""); out.Code != http.StatusAccepted {
		t.Errorf("got %d %s", out.Code, out.Body)
	}
	if w, err := r.catalog.LookupGeneration(t.Context(), r.docs.Generation); err != nil || w.State != workspace.StateDeleted {
		t.Errorf("got %+v, %v", w, err)
	}
	if out := r.ask("guardian", "GET", Root+"/acme/knowledge-bases/docs", ""); out.Code != http.StatusGone {
		t.Errorf("got %d %s", out.Code, out.Body)
	}
	r.fails = nil
	if out := r.ask("operator", "DELETE", Root+"/acme", ""); out.Code != http.StatusOK {
		t.Errorf("got %d %s", out.Code, out.Body)
	}
	if got, want := r.tellings(), "retire acme.docs, cut acme, retire acme.notes"; got != want {
		t.Errorf("the pool was told %q, want %q", got, want)
	}
	if out := r.ask("operator", "DELETE", Root+"/default", ""); out.Code != http.StatusConflict {
		t.Errorf("the default tenant: %d %s", out.Code, out.Body)
	}
}

func TestKeys_AreShownOnceAndRevoked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	keys := Root + "/acme/api-keys"
	body := fmt.Sprintf(`{"key_name":"web","knowledge_base_ids":[%q,"docs"],"permissions":["query:run","document:read"]}`, r.docs.Generation)
	made := must[Key](r, "guardian", http.StatusCreated, "POST", keys, body)
	if !strings.HasPrefix(made.Secret, "sk-") || made.ID == "" || len(made.Bases) != 1 || len(made.Permissions) != 2 || !made.Active {
		t.Fatalf("got %+v", made)
	}
	for _, path := range []string{keys, keys + "/" + made.ID} {
		if out := r.ask("guardian", "GET", path, ""); out.Code != http.StatusOK || strings.Contains(out.Body.String(), made.Secret) {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
	if out := r.ask("stranger", "DELETE", Root+"/other/api-keys/"+made.ID, ""); out.Header().Get("X-Router-Error") != "key_not_found" {
		t.Errorf("another tenant's key: %d %s", out.Code, out.Body)
	}
	next := must[Key](r, "guardian", http.StatusCreated, "POST", keys+"/"+made.ID+"/rotate", `{"overlap":"1h"}`)
	if next.Secret == made.Secret || next.ID == made.ID || fmt.Sprint(next.Bases, next.Permissions) != fmt.Sprint(made.Bases, made.Permissions) {
		t.Errorf("the successor is %+v", next)
	}
	if old := must[Key](r, "guardian", http.StatusOK, "GET", keys+"/"+made.ID, ""); old.ExpiresAt == nil || time.Until(*old.ExpiresAt) > time.Hour {
		t.Errorf("the old one is %+v", old)
	}
	revoked := must[Key](r, "guardian", http.StatusOK, "DELETE", keys+"/"+next.ID, "")
	if revoked.Active || revoked.RevokedAt == nil || r.tellings() != "cut key "+next.ID {
		t.Errorf("got %+v; the pool was told %q", revoked, r.tellings())
	}
	if out := r.ask("guardian", "POST", keys+"/"+next.ID+"/rotate", ""); out.Code != http.StatusNotFound {
		t.Errorf("rotating a revoked one: %d %s", out.Code, out.Body)
	}
	// An editor may not raise itself by rotating what is above it.
	above := must[Key](r, "guardian", http.StatusCreated, "POST", keys, `{"key_name":"above","permissions":["graph:write"]}`)
	if out := r.ask("editor", "POST", keys+"/"+above.ID+"/rotate", ""); out.Code != http.StatusForbidden {
		t.Errorf("rotating above one's rights: %d %s", out.Code, out.Body)
	}
	for body, status := range map[string]int{
		`{"key_name":"k","permissions":[]}`: 400, `{"key_name":"k","permissions":["fly"]}`: 400, `{"permissions":["query:run"]}`: 400,
		`{"key_name":"k","permissions":["query:run"],"knowledge_base_ids":[]}`:               400,
		`{"key_name":"k","permissions":["query:run"],"knowledge_base_ids":["none"]}`:         400,
		`{"key_name":"k","permissions":["query:run"],"expires_at":"2020-01-01T00:00:00Z"}`:   400,
		`{"key_name":"k","permissions":["query:run"],"expires_at":"2999-01-01T00:00:00Z"}`:   201,
		`{"key_name":"k","permissions":["query:run"],"knowledge_base_ids":["notes","docs"]}`: 201,
	} {
		if out := r.ask("guardian", "POST", keys, body); out.Code != status {
			t.Errorf("%s: got %d, want %d: %s", body, out.Code, status, out.Body)
		}
	}
}

func TestIdempotencyKey_DoesThingsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const once = "Idempotency-Key: abc"
	keys, body := Root+"/acme/api-keys", `{"key_name":"web","permissions":["query:run"]}`
	first := must[Key](r, "guardian", http.StatusCreated, "POST", keys, body, once)
	out := r.ask("guardian", "POST", keys, body, once)
	if out.Code != http.StatusCreated || !strings.Contains(out.Body.String(), first.ID) || strings.Contains(out.Body.String(), first.Secret) || out.Header().Get("Idempotency-Replayed") == "" {
		t.Errorf("again: %d %s", out.Code, out.Body)
	}
	if out := r.ask("guardian", "POST", keys, `{"key_name":"other","permissions":["query:run"]}`, once); out.Code != http.StatusConflict {
		t.Errorf("another body: %d %s", out.Code, out.Body)
	}
	if second := must[Key](r, "admin", http.StatusCreated, "POST", keys, body, once); second.ID == first.ID {
		t.Error("another principal got the first one's answer")
	}
	// What failed may be tried again.
	bases, wrong := Root+"/acme/knowledge-bases", `{"kb_name":"X","kind":"none"}`
	for range 2 {
		if out := r.ask("guardian", "POST", bases, wrong, "Idempotency-Key: wrong"); out.Code != http.StatusBadRequest {
			t.Errorf("got %d %s", out.Code, out.Body)
		}
	}
	if list := must[[]Key](r, "guardian", http.StatusOK, "GET", keys, ""); len(list) != 2 {
		t.Errorf("there are %d keys, want 2", len(list))
	}
}

func TestLists_ArePagedSortedAndFiltered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bases := Root + "/acme/knowledge-bases"
	for i := range 5 {
		must[Base](r, "guardian", http.StatusCreated, "POST", bases, fmt.Sprintf(`{"kb_name":"Page %d"}`, i))
	}
	for query, want := range map[string]string{
		"sort=name&q=page": "page-0 page-1 page-2 page-3 page-4", "sort=-name&q=PAGE": "page-4 page-3 page-2 page-1 page-0",
		"sort=-kb_name&q=page-3": "page-3", "q=none": "", "sort=name": "docs notes page-0 page-1 page-2 page-3 page-4",
	} {
		names := []string{}
		cursor := ""
		for pages := 0; pages < 10; pages++ {
			path := bases + "?" + query + "&limit=2&cursor=" + cursor
			list := must[[]Base](r, "guardian", http.StatusOK, "GET", path, "")
			if len(list) > 2 {
				t.Errorf("%s: a page of %d", path, len(list))
			}
			for _, one := range list {
				names = append(names, one.Name)
			}
			if cursor = r.ask("guardian", "GET", path, "").Header().Get("X-Next-Cursor"); cursor == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	for _, bad := range []string{"sort=color", "limit=0", "limit=x", "limit=100000", "cursor=!"} {
		if out := r.ask("guardian", "GET", bases+"?"+bad, ""); out.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", bad, out.Code, out.Body)
		}
	}
}
