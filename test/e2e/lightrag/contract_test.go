package lightrag

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

// routersOwn are the headers that the router adds, that name the moment, or that are about one connection.
var routersOwn = []string{"Date", "Lightrag-Workspace", "X-Request-Id", "Vary", "Connection"}

// TestContract_TheRouterAddsAndTakesNothing sends every request of LightRAG's own description to a worker itself and
// through the router, and compares status, headers and bodies to the byte.
func TestContract_TheRouterAddsAndTakesNothing(t *testing.T) {
	t.Parallel()
	for _, version := range []string{newest, oldest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, version)
			r.upload(t, "astrid", "notes.txt", ofAstrid)
			r.indexed(t, "astrid", 1)
			c := newComparison(t, r, "astrid")
			requests := described(t, c.direct(t, request{method: http.MethodGet, path: "/openapi.json"}).body)
			for _, one := range append(further(), requests...) { // of those described, one empties the workspace
				if one.path != "/auth-status" && one.path != "/login" { // who may ask is the router's business
					c.compare(t, one)
				}
			}
			t.Logf("%d requests, %d of them with answers that differ from one time to the next", c.compared, c.volatile)
		})
	}
}

// request is one request without the place that it goes to.
type request struct{ method, path, body, contentType string }

func (r request) String() string { return r.method + " " + r.path }

// further are requests that LightRAG's description does not have, or has with another body.
func further() []request {
	return []request{
		{http.MethodGet, "/openapi.json", "", ""},
		{http.MethodGet, "/docs", "", ""},
		{http.MethodGet, "/redoc", "", ""},
		{http.MethodGet, "/webui", "", ""},
		{http.MethodGet, "/webui/", "", ""},
		{http.MethodGet, "/webui/nothing.js", "", ""},
		{http.MethodGet, "/workspace/", "", ""},
		{http.MethodGet, "/static/swagger-ui/swagger-ui.css", "", ""},
		{http.MethodGet, "/nothing", "", ""},
		{http.MethodGet, "/workspaces", "", ""},
		{http.MethodPut, "/query", "", ""},
		{http.MethodHead, "/health", "", ""},
		{http.MethodGet, "/graphs?label=" + "%C3%84%2F%25" + "&max_depth=1", "", ""},
		{http.MethodGet, "/documents/track_status/%C3%A4%20b", "", ""},
		{http.MethodPost, "/query", `{"query":"Where does the Lighthouse stand?","mode":"naive"}`, "application/json"},
		{http.MethodPost, "/query", `{"query":"x"}`, "application/json"},
		{http.MethodPost, "/query/stream", `{"query":"Where does the Lighthouse stand?","mode":"naive"}`, "application/json"},
		{http.MethodPost, "/query/data", `{"query":"Where does the Lighthouse stand?","mode":"naive"}`, "application/json"},
		{http.MethodPost, "/documents/paginated", `{}`, "application/json"},
		{http.MethodPost, "/api/chat", `{"model":"x","stream":false,"messages":[{"role":"user","content":"/naive Where is it?"}]}`, "application/octet-stream"},
		{http.MethodDelete, "/documents/delete_document", `{"doc_ids":["doc-nothing"]}`, "application/json"},
	}
}

// described lists the requests of an OpenAPI document: each route with what it cannot do without, and, where it takes a
// body, with one that is none.
func described(t *testing.T, document string) (list []request) {
	t.Helper()
	type operation struct {
		Parameters []struct {
			Name     string
			In       string
			Required bool
			Schema   struct{ Type string }
		}
		RequestBody *struct{ Content map[string]any } `json:"requestBody"`
	}
	var api struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal([]byte(document), &api); err != nil {
		t.Fatal(err)
	}
	if len(api.Paths) < 30 {
		t.Fatalf("the description has %d paths", len(api.Paths))
	}
	for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(api.Paths[path])) {
			one := request{method: strings.ToUpper(method), path: path}
			query := ""
			for _, p := range api.Paths[path][method].Parameters {
				value := "Lighthouse"
				if p.Schema.Type == "integer" {
					value = "1"
				}
				switch {
				case p.In == "path":
					one.path = strings.ReplaceAll(one.path, "{"+p.Name+"}", value)
				case p.In == "query" && p.Required:
					query += "&" + p.Name + "=" + value
				}
			}
			if query != "" {
				one.path += "?" + query[1:]
			}
			if body := api.Paths[path][method].RequestBody; body != nil {
				one.body, one.contentType = `{"broken`, slices.Sorted(maps.Keys(body.Content))[0]
			}
			list = append(list, one)
		}
	}
	return list
}

// comparison talks to one worker in two ways.
type comparison struct {
	router, worker     string // where its paths begin
	routerKey, key     string
	host               string // the Host of both
	compared, volatile int
}

func newComparison(t *testing.T, r *rig, workspace string) *comparison {
	t.Helper()
	variables := r.live(t, workspace).variables(t)
	return &comparison{
		router: r.URL + "/w/" + workspace, routerKey: r.Key,
		worker: "http://127.0.0.1:" + variables["PORT"], key: variables["LIGHTRAG_API_KEY"],
		host: strings.TrimPrefix(r.URL, "http://"),
	}
}

type result struct {
	status int
	header http.Header
	body   string
}

func (c *comparison) direct(t *testing.T, one request) result { return c.send(t, c.worker, c.key, one) }

// send waits until the worker is not busy with what an earlier request set going, and sends.
func (c *comparison) send(t *testing.T, base, key string, one request) result {
	t.Helper()
	testkit.Eventually(t, "the worker to be idle", func() error {
		health := c.exchange(t, c.worker, c.key, request{method: http.MethodGet, path: "/health"})
		if !strings.Contains(health.body, `"pipeline_active":false`) {
			return fmt.Errorf("its health is %s", health.body)
		}
		return nil
	})
	return c.exchange(t, base, key, one)
}

func (c *comparison) exchange(t *testing.T, base, key string, one request) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	message, err := http.NewRequestWithContext(ctx, one.method, base+one.path, strings.NewReader(one.body))
	if err != nil {
		t.Fatal(err)
	}
	message.Host = c.host
	message.Header.Set("X-API-Key", key)
	message.Header.Set("Accept-Encoding", "identity")
	if one.contentType != "" {
		message.Header.Set("Content-Type", one.contentType)
	}
	response, err := http.DefaultTransport.RoundTrip(message) // which follows no redirection
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

// compare sends the request to the worker twice and by the router once. Where the worker does not give the same answer
// twice, because it holds a time or a token, its form is compared.
func (c *comparison) compare(t *testing.T, one request) {
	t.Helper()
	c.compared++
	first, routed, second := c.direct(t, one), c.send(t, c.router, c.routerKey, one), c.direct(t, one)
	if routed.status != first.status {
		t.Errorf("%s: got %d, the worker says %d\n%s\n%s", one, routed.status, first.status, routed.body, first.body)
		return
	}
	ignored := slices.Clone(routersOwn)
	if first.body != second.body {
		c.volatile++
		t.Logf("%s: compared by its form", one)
		ignored = append(ignored, "Content-Length")
		if got, want := form(t, routed.body), form(t, first.body); got != want {
			t.Errorf("%s: the form is\n%s\nthe worker's\n%s", one, got, want)
		}
	} else if routed.body != first.body {
		t.Errorf("%s: got\n%s\nthe worker says\n%s", one, routed.body, first.body)
	}
	for _, header := range []http.Header{first.header, routed.header} {
		for _, name := range ignored {
			header.Del(name)
		}
	}
	if diff := cmp.Diff(first.header, routed.header); diff != "" {
		t.Errorf("%s: headers, - worker + router\n%s", one, diff)
	}
}

// form gives a JSON text, or one of JSON lines, with the type of each value in its place.
func form(t *testing.T, text string) string {
	t.Helper()
	var forms []string
	for decoder := json.NewDecoder(strings.NewReader(text)); decoder.More(); {
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		shape, err := json.Marshal(shapeOf(value))
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, string(shape))
	}
	return strings.Join(forms, "\n")
}

func shapeOf(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = shapeOf(inner)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = shapeOf(inner)
		}
		return v
	}
	return fmt.Sprintf("%T", value)
}
