package kind

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"workspace-router/internal/workspace"
)

func matcherOf(t testing.TB, routes string) *Kind {
	t.Helper()
	k, err := Decode("k.yaml", []byte(minimal+"routes:\n"+routes))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKind_MatchTakesTheFirstRouteOfTheList(t *testing.T) {
	t.Parallel()
	k := matcherOf(t, `
  - {path: /exact, methods: [GET], permission: "query:run"}
  - {path: /*/mine, permission: "document:read"}
  - {path: /later/mine/x, permission: "document:read"}
  - {path: /exact, permission: "document:write"}
  - {path: /tree/leaf, methods: [DELETE], permission: "document:delete"}
  - {path: /tree/**, permission: "graph:read"}
  - {path: /one/*, methods: [PUT, PATCH], permission: "graph:write"}
  - {path: /slash/, permission: "audit:read"}
  - {path: /, permission: "workspace:read"}
`)
	for _, test := range []struct {
		method, path string
		want         string // path of the route; empty for none
		permission   workspace.Permission
	}{
		{"GET", "/exact", "/exact", workspace.QueryRun},
		{"HEAD", "/exact", "/exact", workspace.QueryRun}, // HEAD goes with GET
		{"POST", "/exact", "/exact", workspace.DocumentWrite},
		{"PROPFIND", "/exact", "/exact", workspace.DocumentWrite},
		{"GET", "/exact/", "", 0},
		{"GET", "/EXACT", "", 0},
		{"GET", "/any/mine", "/*/mine", workspace.DocumentRead},
		{"GET", "//mine", "", 0}, // a star is never an empty segment
		{"GET", "/later/mine/x", "/later/mine/x", workspace.DocumentRead},
		{"DELETE", "/tree/leaf", "/tree/leaf", workspace.DocumentDelete},
		{"GET", "/tree/leaf", "/tree/**", workspace.GraphRead},
		{"GET", "/tree", "/tree/**", workspace.GraphRead},
		{"GET", "/tree/", "/tree/**", workspace.GraphRead},
		{"GET", "/tree/a/b/c", "/tree/**", workspace.GraphRead},
		{"GET", "/trees", "", 0},
		{"PUT", "/one/a", "/one/*", workspace.GraphWrite},
		{"GET", "/one/a", "", 0},
		{"PUT", "/one/a/b", "", 0},
		{"PUT", "/one", "", 0},
		{"PUT", "/one/", "", 0},
		{"GET", "/slash/", "/slash/", workspace.AuditRead},
		{"GET", "/slash", "", 0},
		{"GET", "/", "/", workspace.WorkspaceRead},
		{"GET", "", "", 0},
	} {
		route, named := k.Match(test.method, test.path)
		want := test.permission
		if test.want == "" {
			want = workspace.Strictest
		}
		if named != (test.want != "") || route.Path != test.want || route.Permission != want {
			t.Errorf("%s %s: got %q %v %v, want %q %v", test.method, test.path, route.Path, route.Permission, named, test.want, want)
		}
	}
}

// What matches is the same whether a route is found by look-up or by walking the list.
func TestKind_MatchAgreesWithTheList(t *testing.T) {
	t.Parallel()
	patterns := []string{"/", "/a", "/a/", "/*", "/a/b", "/*/b", "/a/*", "/a/**", "/**"}
	paths := []string{"/", "/a", "/a/", "/b", "/a/b", "/b/b", "/a/b/c", "/a/b/"}
	for i, first := range patterns {
		for j, second := range patterns {
			if i == j || newPattern(first).covers(newPattern(second)) {
				continue
			}
			k := &Kind{Routes: []Route{{Path: first, Permission: workspace.QueryRun}, {Path: second, Permission: workspace.GraphRead}}}
			k.matcher = newMatcher(k)
			for _, path := range paths {
				want := ""
				if newPattern(first).match(path) {
					want = first
				} else if newPattern(second).match(path) {
					want = second
				}
				if got, _ := k.Match("GET", path); got.Path != want {
					t.Errorf("of %q then %q, %q matched %q, want %q", first, second, path, got.Path, want)
				}
			}
		}
	}
}

// A pattern covers another exactly if it matches all that the other matches, as far as a set of paths can tell.
func TestPattern_CoversWhatItMatches(t *testing.T) {
	t.Parallel()
	patterns := []string{"/", "/a", "/a/", "/b", "/*", "/*/", "/a/b", "/*/b", "/a/*", "/*/*", "/a/**", "/*/**", "/**"}
	paths := []string{"/", "/a", "/b", "/zz", "/a/", "/b/", "/zz/", "/a/b", "/b/b", "/a/zz", "/zz/b", "/zz/zz", "/a/b/c", "/zz/b/c", "/a/b/"}
	for _, wide := range patterns {
		for _, narrow := range patterns {
			want := true
			for _, path := range paths {
				if newPattern(narrow).match(path) && !newPattern(wide).match(path) {
					want = false
				}
			}
			if got := newPattern(wide).covers(newPattern(narrow)); got != want {
				t.Errorf("%q covers %q: got %v, want %v", wide, narrow, got, want)
			}
		}
	}
}

func TestKind_ClassifyTakesAnAmbiguousPathForTheStrictestRoute(t *testing.T) {
	t.Parallel()
	k := matcherOf(t, `  - {path: /**, permission: "query:run", class: passive}`)
	for raw, named := range map[string]bool{
		"/a": true, "/a%20b": true, "/%61": true, "/a%2Fb": false, "/a%2fb": false, "/a;b": false, "/a%3Bb": false,
	} {
		path, err := ParsePath(raw)
		if err != nil {
			t.Fatal(err)
		}
		route, got := k.Classify("GET", path)
		if got != named || !named && (route.Permission != workspace.Strictest || route.Class != Active) {
			t.Errorf("%s: got %+v %v", raw, route, got)
		}
	}
}

func TestKind_StripsWhatItInjectsToo(t *testing.T) {
	t.Parallel()
	k := matcherOf(t, "  - {path: /, permission: \"query:run\"}\nstrip: [x-a]\ninject: {X-B: v}\n")
	for name, want := range map[string]bool{"X-A": true, "X-B": true, "X-C": false} {
		if got := k.Strips(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		decoded   string // empty: refused
		ambiguous bool
	}{
		"/": {decoded: "/"}, "/a/b/": {decoded: "/a/b/"}, "/a%20b": {decoded: "/a b"}, "/%C3%A4": {decoded: "/ä"}, "/ä": {decoded: "/ä"},
		"/a..b": {decoded: "/a..b"}, "/...": {decoded: "/..."}, "/.well-known/x": {decoded: "/.well-known/x"}, "/a.": {decoded: "/a."},
		"/a/..b": {decoded: "/a/..b"}, "/%252e%252e": {decoded: "/%2e%2e"}, `/a"b`: {decoded: `/a"b`}, "/a:b@c": {decoded: "/a:b@c"},
		"/a%2Fb": {decoded: "/a/b", ambiguous: true}, "/a;x=1/b": {decoded: "/a;x=1/b", ambiguous: true}, "/;/a": {decoded: "/;/a", ambiguous: true},
		"": {}, "*": {}, "a": {}, "//": {}, "//a": {}, "/a//b": {}, "/a%2F/b": {}, "/a/%2fb": {},
		"/.": {}, "/..": {}, "/./a": {}, "/../a": {}, "/a/..": {}, "/a/../b": {}, "/a/%2e%2e/b": {}, "/a/.%2E": {}, "/%2e": {}, "/a%2f..": {},
		"/a%2f%2e%2e%2fb": {}, "/..;/a": {}, "/a/..;x": {}, "/.;": {}, "/a/%2e%2e%3bx/b": {},
		`/a\b`: {}, "/a%5Cb": {}, `/..\a`: {}, "/a%00": {}, "/a%0d%0ab": {}, "/a%7f": {}, "/a\tb": {},
		"/%ff": {}, "/%c0%ae%c0%ae/x": {}, "/%": {}, "/%2": {}, "/%zz": {},
	}
	for raw, test := range tests {
		path, err := ParsePath(raw)
		if test.decoded == "" {
			if !errors.Is(err, workspace.ErrPathInvalid) {
				t.Errorf("%q: got %+v %v, want it refused", raw, path, err)
			}
			continue
		}
		if want := (Path{Raw: raw, Decoded: test.decoded, Ambiguous: test.ambiguous}); err != nil || path != want {
			t.Errorf("%q: got %+v %v, want %+v", raw, path, err, want)
		}
	}
}

func TestPath_CutSegment(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]struct {
		segment string
		rest    Path
	}{
		"/":              {"", Path{}},
		"/w":             {"w", Path{}},
		"/w/":            {"w", Path{Raw: "/", Decoded: "/"}},
		"/w/a/b":         {"w", Path{Raw: "/a/b", Decoded: "/a/b"}},
		"/%77/a%20b":     {"w", Path{Raw: "/a%20b", Decoded: "/a b"}},
		"/w%20/a":        {"w ", Path{Raw: "/a", Decoded: "/a"}},
		"/w%2Fa/b":       {"w/a", Path{Raw: "/b", Decoded: "/b", Ambiguous: true}},
		"/w/alpha/a%2Fb": {"w", Path{Raw: "/alpha/a%2Fb", Decoded: "/alpha/a/b", Ambiguous: true}},
	} {
		path, err := ParsePath(raw)
		if err != nil {
			t.Fatal(err)
		}
		if segment, rest := path.CutSegment(); segment != want.segment || rest != want.rest {
			t.Errorf("%s: got %q %+v, want %q %+v", raw, segment, rest, want.segment, want.rest)
		}
	}
}

func embedded(tb testing.TB) *Kind {
	tb.Helper()
	data, err := os.ReadFile("../../configs/kinds/embedded.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	k, err := Decode("embedded.yaml", data)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestKind_MatchAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	k := embedded(t)
	allocations := testing.AllocsPerRun(100, func() {
		path, err := ParsePath("/documents/track_status/abc")
		if err != nil {
			t.Fatal(err)
		}
		if _, named := k.Classify("GET", path); !named {
			t.Fatal("the route is not named")
		}
	})
	if allocations != 0 {
		t.Errorf("got %v allocations, want none", allocations)
	}
}

func BenchmarkKind_Match(b *testing.B) {
	k := embedded(b)
	for _, request := range [][2]string{{"POST", "/query"}, {"GET", "/documents/track_status/abc"}, {"GET", "/webui/assets/x.js"}, {"GET", "/none"}} {
		b.Run(fmt.Sprintf("%s%s", request[0], request[1]), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Match(request[0], request[1])
			}
		})
	}
}

func BenchmarkParsePath(b *testing.B) {
	for _, raw := range []string{"/w/alpha/query/stream", "/w/alpha/a%20b"} {
		b.Run(raw, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParsePath(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAnswer_TellsTheTime(t *testing.T) {
	t.Parallel()
	answer := Answer{Body: `{"nanosecond heartbeat":{nanoseconds}}`}
	var first, second struct {
		At int64 `json:"nanosecond heartbeat"`
	}
	for _, into := range []any{&first, &second} {
		if err := json.Unmarshal([]byte(answer.Render(workspace.Workspace{}, "")), into); err != nil {
			t.Fatal(err)
		}
	}
	if first.At <= 0 || second.At < first.At || second.At > time.Now().UnixNano() {
		t.Errorf("got %d, then %d", first.At, second.At)
	}
}

func TestRender_NamesModelsByTheirTag(t *testing.T) {
	t.Parallel()
	answer := Answer{Body: `{"name":"{workspace}:{model_tag}"}`}
	w := workspace.Workspace{Ref: workspace.Ref{Tenant: workspace.DefaultTenant, Name: "alpha"}}
	for tag, want := range map[string]string{"": `{"name":"alpha:latest"}`, "v2": `{"name":"alpha:v2"}`, `"}{kind}`: `{"name":"alpha:\"}{kind}"}`} {
		if got := answer.Render(w, tag); got != want {
			t.Errorf("%q: got %s", tag, got)
		}
	}
}
