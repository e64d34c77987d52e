package chroma

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// plane is a data plane in front of a Chroma that holds the names and ids of collections alone. It keeps what it is asked.
type plane struct {
	mu    sync.Mutex // guards what follows
	ids   map[string]string
	asked []string // "METHOD address body"
	next  int
	fail  *failure // what the next request is answered with
}

type failure struct {
	status int
	header http.Header
	body   string
}

const native = "/w/my-project/api/v2/tenants/default_tenant/databases/default_database/collections"

func newPlane() *plane { return &plane{ids: map[string]string{}} }

func (p *plane) make(name string) string {
	p.next++
	p.ids[name] = fmt.Sprintf("00000000-0000-4000-8000-%012d", p.next)
	return p.ids[name]
}

// ServeHTTP answers as Chroma does through the router.
func (p *plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	p.asked = append(p.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("LIGHTRAG-WORKSPACE", "my-project")
	if f := p.fail; f != nil {
		p.fail = nil
		for name, values := range f.header {
			w.Header()[name] = values
		}
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, f.body)
		return
	}
	rest, ours := strings.CutPrefix(r.URL.Path, native)
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case r.URL.Path == ProjectsPath:
		_, _ = io.WriteString(w, `{"projects":["my-project"]}`)
	case !ours:
		http.NotFound(w, r)
	case rest == "" && r.Method == http.MethodPost:
		var wanted struct{ Name string }
		_ = json.Unmarshal(body, &wanted)
		fmt.Fprintf(w, `{"id":%q,"name":%q}`, p.make(wanted.Name), wanted.Name)
	case rest == "":
		_, _ = io.WriteString(w, `[]`)
	case len(parts) == 1 && r.Method == http.MethodPut: // by its id, to another name
		for name, id := range p.ids {
			if id == parts[0] {
				delete(p.ids, name)
				p.ids[string(body)] = id
			}
		}
	case len(parts) == 1 && p.ids[parts[0]] == "":
		missing(w, parts[0])
	case len(parts) == 1 && r.Method == http.MethodDelete:
		delete(p.ids, parts[0])
		_, _ = io.WriteString(w, `{}`)
	case len(parts) == 1:
		fmt.Fprintf(w, `{"id":%q,"name":%q}`, p.ids[parts[0]], parts[0])
	default:
		for _, id := range p.ids {
			if id == parts[0] {
				_, _ = io.WriteString(w, `{"done":"`+parts[1]+`"}`)
				return
			}
		}
		missing(w, parts[0])
	}
}

func missing(w http.ResponseWriter, name string) {
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `{"error":"NotFoundError","message":"Collection [%s] does not exist"}`, name)
}

// seen gives what was asked since the last time.
func (p *plane) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.asked
	p.asked = nil
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], native, "…")
	}
	return list
}

// front is the API in front of such a plane.
type front struct {
	*plane
	api   http.Handler
	names *Names
}

func newFront(t *testing.T) *front {
	t.Helper()
	names, err := NewNames()
	if err != nil {
		t.Fatal(err)
	}
	p := newPlane()
	api, err := New(Config{Version: "1.5.9", Router: "test", MaxBody: 1 << 12}, Deps{Next: names.Watch(p), Names: names})
	if err != nil {
		t.Fatal(err)
	}
	return &front{p, api, names}
}

func (f *front) ask(t *testing.T, method, address, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	r.Header.Set("X-Chroma-Token", "key")
	w := httptest.NewRecorder()
	f.api.ServeHTTP(w, r)
	return w
}
