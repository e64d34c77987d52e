package chroma

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const first = "00000000-0000-4000-8000-000000000001"

func TestAPI_BecomesChromasOwn(t *testing.T) {
	t.Parallel()
	resolved := "GET …/notes"
	cases := map[string]struct {
		request, body string
		status        int
		asks          []string
	}{
		"list":                {"GET /api/v1/my-project/collections?limit=5&offset=1", "", 200, []string{"GET …?limit=5&offset=1"}},
		"list, with a slash":  {"GET /api/v1/my-project/collections/", "", 200, []string{"GET …"}},
		"make":                {"POST /api/v1/my-project/collections", `{"name":"x","metadata":{"a":1}}`, 200, []string{`POST … {"name":"x","metadata":{"a":1}}`}},
		"show":                {"GET /api/v1/my-project/collections/notes", "", 200, []string{resolved}},
		"delete":              {"DELETE /api/v1/my-project/collections/notes", "", 200, []string{"DELETE …/notes"}},
		"add":                 {"POST /api/v1/my-project/collections/notes/add", `{"ids":["a"]}`, 200, []string{resolved, "POST …/" + first + `/add {"ids":["a"]}`}},
		"upsert":              {"POST /api/v1/my-project/collections/notes/upsert", `{}`, 200, []string{resolved, "POST …/" + first + "/upsert {}"}},
		"update":              {"POST /api/v1/my-project/collections/notes/update", `{}`, 200, []string{resolved, "POST …/" + first + "/update {}"}},
		"count":               {"GET /api/v1/my-project/collections/notes/count", "", 200, []string{resolved, "GET …/" + first + "/count"}},
		"query":               {"POST /api/v1/my-project/collections/notes/query", `{"query_embeddings":[[1]],"where":{"b":1,"a":"x"}}`, 200, []string{resolved, "POST …/" + first + `/query {"query_embeddings":[[1]],"where":{"$and":[{"a":"x"},{"b":1}]}}`}},
		"query without where": {"POST /api/v1/my-project/collections/notes/query", `{"query_embeddings":[[1]],"where":null,"where_document":{}}`, 200, []string{resolved, "POST …/" + first + `/query {"query_embeddings":[[1]]}`}},
		"delete documents":    {"POST /api/v1/my-project/collections/notes/delete", `{"ids":["a"]}`, 200, []string{resolved, "POST …/" + first + `/delete {"ids":["a"]}`}},
		"get all":             {"GET /api/v1/my-project/collections/notes/get", "", 200, []string{resolved, "POST …/" + first + "/get {}"}},
		"get some":            {"GET /api/v1/my-project/collections/notes/get?ids=a&ids=b,c&limit=2&include=documents,metadatas&where=%7B%22x%22:1%7D", "", 200, []string{resolved, "POST …/" + first + `/get {"ids":["a","b,c"],"include":["documents","metadatas"],"limit":2,"where":{"x":1}}`}},
		"get by a body":       {"POST /api/v1/my-project/collections/notes/get", "", 200, []string{resolved, "POST …/" + first + "/get {}"}},
		"an escaped name":     {"GET /api/v1/my-project/collections/a%20b%C3%A4", "", 404, []string{"GET …/a%20b%C3%A4"}},
		"projects":            {"GET /api/v1/projects", "", 200, []string{"GET /api/v1/projects"}},
		"Chroma's own":        {"GET " + native, "", 200, []string{"GET …"}},

		"heartbeat":                 {"GET /api/v1/heartbeat", "", 200, nil},
		"version":                   {"GET /api/v1/version", "", 200, nil},
		"about":                     {"GET /", "", 200, nil},
		"no such route":             {"GET /api/v1/my-project/things", "", 404, nil},
		"no such operation":         {"POST /api/v1/my-project/collections/notes/peek", "", 404, nil},
		"what stands for another":   {"GET /api/v1/my-project/collections/notes/%7B%7D", "", 404, nil},
		"deeper":                    {"GET /api/v1/my-project/collections/notes/get/x", "", 404, nil},
		"the bare root":             {"GET /api/v1", "", 404, nil},
		"an encoded slash":          {"GET /api/v1/my-project/collections/a%2Fb", "", 404, nil},
		"another method":            {"PUT /api/v1/my-project/collections", "", 405, nil},
		"the wrong method":          {"GET /api/v1/my-project/collections/notes/add", "", 405, nil},
		"a heartbeat by POST":       {"POST /api/v1/heartbeat", "", 405, nil},
		"a query of texts":          {"POST /api/v1/my-project/collections/notes/query", `{"query_texts":["x"]}`, 422, []string{resolved}},
		"no JSON":                   {"POST /api/v1/my-project/collections/notes/query", `{"query`, 422, []string{resolved}},
		"a limit that is none":      {"GET /api/v1/my-project/collections/notes/get?limit=many", "", 422, nil},
		"a where that is none":      {"GET /api/v1/my-project/collections/notes/get?where=x", "", 422, nil},
		"too large a query":         {"POST /api/v1/my-project/collections/notes/query", strings.Repeat(" ", 1<<12+1), 413, []string{resolved}},
		"a collection not there":    {"GET /api/v1/my-project/collections/other/count", "", 404, []string{"GET …/other"}},
		"a path that is ambiguous":  {"GET /api/v1/my-project/collections/a;b", "", 404, nil},
		"a path with a dot segment": {"GET /api/v1/my-project/../collections", "", 404, []string{"GET /api/v1/my-project/../collections"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t)
			f.make("notes")
			method, address, _ := strings.Cut(tc.request, " ")
			w := f.ask(t, method, address, tc.body)
			if w.Code != tc.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tc.status)
			}
			if diff := cmp.Diff(tc.asks, f.seen()); diff != "" {
				t.Errorf("what Chroma is asked (-want +got):\n%s", diff)
			}
			if tc.status >= 400 && name != "a path with a dot segment" && !strings.HasPrefix(w.Body.String(), `{"detail":`) {
				t.Errorf("the error is told as %s", w.Body)
			}
			if tc.status == 405 && w.Header().Get("Allow") == "" {
				t.Error("what is allowed is not told")
			}
		})
	}
}

func TestAPI_KnowsCollectionsByTheirIDs(t *testing.T) {
	t.Parallel()
	const count = "/api/v1/my-project/collections/notes/count"
	f := newFront(t)
	f.make("notes")
	expect := func(what string, asks ...string) {
		t.Helper()
		if diff := cmp.Diff(asks, f.seen()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	f.ask(t, "GET", count, "")
	expect("first", "GET …/notes", "GET …/"+first+"/count")
	f.ask(t, "GET", count, "")
	expect("known", "GET …/"+first+"/count")

	r := httptest.NewRequestWithContext(t.Context(), "GET", count, nil)
	r.Header.Set("X-Chroma-Token", "another key")
	f.api.ServeHTTP(httptest.NewRecorder(), r)
	expect("to somebody else", "GET …/notes", "GET …/"+first+"/count")

	// Deleted behind the router's back, and made again: the id finds nothing, and the name is looked up anew.
	delete(f.ids, "notes")
	second := f.make("notes")
	if w := f.ask(t, "GET", count, ""); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	expect("stale", "GET …/"+first+"/count", "GET …/notes", "GET …/"+second+"/count")

	// Renamed through the router, and another made by the name: the id would still find the first.
	f.ask(t, "PUT", native+"/"+second, "memos")
	third := f.make("notes")
	f.seen()
	f.ask(t, "GET", count, "")
	expect("renamed", "GET …/notes", "GET …/"+third+"/count")

	// A body that is not kept for another try is sent by an id that was looked up for it.
	large := `{"ids":["` + strings.Repeat("x", replayed) + `"]}`
	f.ask(t, "POST", "/api/v1/my-project/collections/notes/add", large)
	if seen := f.seen(); len(seen) != 2 || seen[0] != "GET …/notes" || !strings.HasSuffix(seen[1], large) {
		t.Errorf("a large body: %d requests", len(seen))
	}
	f.ask(t, "DELETE", "/api/v1/my-project/collections/notes", "")
	if w := f.ask(t, "GET", count, ""); w.Code != http.StatusNotFound {
		t.Errorf("deleted: got %d", w.Code)
	}
}

// While a rename is under way neither what is known counts, nor what is found.
func TestNames_CountForNothingDuringAChange(t *testing.T) {
	t.Parallel()
	const count = "/api/v1/my-project/collections/notes/count"
	f := newFront(t)
	f.make("notes")
	f.ask(t, "GET", count, "")
	f.seen()
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		f.names.Watch(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(begun)
			<-end
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST", "/w/my-project/api/v2/reset", nil))
	}()
	<-begun
	f.ask(t, "GET", count, "")
	f.ask(t, "GET", count, "")
	if got := len(f.seen()); got != 4 {
		t.Errorf("during the change Chroma is asked %d times, want each time for the name and the number", got)
	}
	close(end)
	<-done
	f.ask(t, "GET", count, "")
	f.ask(t, "GET", count, "")
	if got := len(f.seen()); got != 3 {
		t.Errorf("after the change Chroma is asked %d times, want once for the name", got)
	}
}

func TestAPI_TellsErrorsInItsForm(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		failure failure
		want    string
	}{
		"Chroma's":   {failure{409, nil, `{"error":"UniqueConstraintError","message":"Collection [x] already exists"}`}, `{"detail":"Collection [x] already exists"}`},
		"its plain":  {failure{422, http.Header{"Content-Type": {"text/plain"}}, "Failed to deserialize: missing field `embeddings`"}, "{\"detail\":\"Failed to deserialize: missing field `embeddings`\"}"},
		"the router": {failure{503, http.Header{"Retry-After": {"2"}, "X-Router-Error": {"workspace_capacity_exhausted"}}, `{"title":"t","status":503,"detail":"no room"}`}, `{"detail":"no room"}`},
		"nothing":    {failure{500, nil, ""}, `{"detail":"Internal Server Error"}`},
		"a list":     {failure{422, nil, `{"detail":[{"loc":["body"]}]}`}, `{"detail":[{"loc":["body"]}]}`},
	}
	for name, tc := range cases {
		for _, request := range []string{"POST /api/v1/my-project/collections", "GET /api/v1/my-project/collections/notes/count"} {
			f := newFront(t)
			f.fail = &tc.failure
			method, address, _ := strings.Cut(request, " ")
			w := f.ask(t, method, address, "")
			if w.Code != tc.failure.status || w.Body.String() != tc.want || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s, %s: got %d %s", name, request, w.Code, w.Body)
			}
			for _, kept := range []string{"Retry-After", "X-Router-Error"} {
				if got := w.Header().Get(kept); got != tc.failure.header.Get(kept) {
					t.Errorf("%s, %s: %s is %q", name, request, kept, got)
				}
			}
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		`{"a":1}`:                               `{"a":1}`,
		`{"category":"tech","difficulty":"b"}`:  `{"$and":[{"category":"tech"},{"difficulty":"b"}]}`,
		`{"n":{"$gt":1,"$lt":5}}`:               `{"$and":[{"n":{"$gt":1}},{"n":{"$lt":5}}]}`,
		`{"n":{"$gt":1},"a":"x"}`:               `{"$and":[{"a":"x"},{"n":{"$gt":1}}]}`,
		`{"$or":[{"a":1,"b":2},{"c":3}]}`:       `{"$or":[{"$and":[{"a":1},{"b":2}]},{"c":3}]}`,
		`{"$and":[{"a":1},{"b":2}],"c":3}`:      `{"$and":[{"$and":[{"a":1},{"b":2}]},{"c":3}]}`,
		`{"a":{"$in":[1,2]}}`:                   `{"a":{"$in":[1,2]}}`,
		`{}`:                                    ``,
		` null `:                                ``,
		`"text"`:                                `"text"`,
		`[1]`:                                   `[1]`,
		`{"$and":"no list"}`:                    `{"$and":"no list"}`,
		`{"big":12345678901234567890}`:          `{"big":12345678901234567890}`,
		`{"$contains":"x","$not_contains":"y"}`: `{"$and":[{"$contains":"x"},{"$not_contains":"y"}]}`,
	} {
		if got := string(wrap([]byte(filter))); got != want {
			t.Errorf("%s: got %s, want %s", filter, got, want)
		}
	}
}
