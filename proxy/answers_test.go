package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// key is the credential that a wire carries unless its case says otherwise.
var wireKey = [2]string{"X-API-Key", adminKey}

// One answer for each request that two programs could understand in two ways, and the same over every protocol. The status
// 0 is for what is no request there at all: 400 over HTTP/1.1, a stream that is reset over HTTP/2.
func TestHostile_OneAnswerOverEveryProtocol(t *testing.T) {
	t.Parallel()
	const selects, second = "LIGHTRAG-WORKSPACE", "X-Workspace-ID"
	tests := map[string]struct {
		method string // GET where blank
		target string
		host   string // localhost where blank
		header [][2]string
		noKey  bool
		body   string
		status int
		code   string
		worker string // the generation whose worker answered
		saw    string // the request line that the worker saw
		only   string // the protocols that can say it, by the beginning of their names
	}{
		"plain":                             {target: "/w/alpha/query", status: 200, worker: "gen-alpha", saw: "GET /query"},
		"query, byte for byte":              {target: "/w/alpha/query?a=%zz&&b=;..//", status: 200, worker: "gen-alpha", saw: "GET /query?a=%zz&&b=;..//"},
		"an encoded slash":                  {target: "/w/alpha/query/a%2Fb", status: 200, worker: "gen-alpha", saw: "GET /query/a%2Fb"},
		"an encoded slash, for a reader":    {target: "/w/alpha/query/a%2Fb", header: [][2]string{{"X-API-Key", readerKey}}, noKey: true, status: 403, code: "permission_denied"},
		"an encoded slash before the name":  {target: "/w%2Falpha/query", status: 200, worker: "gen-default", saw: "GET /w%2Falpha/query"},
		"an encoded slash in the name":      {target: "/w/al%2Fpha/query", status: 400, code: "workspace_invalid"},
		"an encoded selector":               {target: "/%77/%61lpha/query", status: 200, worker: "gen-alpha", saw: "GET /query"},
		"dots":                              {target: "/w/alpha/../beta/query", status: 400, code: "path_invalid"},
		"one dot":                           {target: "/w/alpha/./query", status: 400, code: "path_invalid"},
		"encoded dots":                      {target: "/w/alpha/%2e%2E/beta/query", status: 400, code: "path_invalid"},
		"half-encoded dots":                 {target: "/w/alpha/.%2e/beta/query", status: 400, code: "path_invalid"},
		"dots with parameters":              {target: "/w/alpha/..;x=1/beta/query", status: 400, code: "path_invalid"},
		"dots behind an encoded slash":      {target: "/w/alpha/x%2F..%2Fquery", status: 400, code: "path_invalid"},
		"dots, encoded twice":               {target: "/w/alpha/query/%252e%252e/x", status: 200, worker: "gen-alpha", saw: "GET /query/%252e%252e/x"},
		"a slash, encoded twice":            {target: "/w/alpha/query/a%252Fb", status: 200, worker: "gen-alpha", saw: "GET /query/a%252Fb"},
		"three dots":                        {target: "/w/alpha/query/...", status: 200, worker: "gen-alpha", saw: "GET /query/..."},
		"an empty segment":                  {target: "/w/alpha//query", status: 400, code: "path_invalid"},
		"an empty segment at the start":     {target: "//w/alpha/query", status: 400, code: "path_invalid"},
		"a backslash":                       {target: `/w/alpha/query\x`, status: 400, code: "path_invalid"},
		"an encoded backslash":              {target: "/w/alpha/query%5Cx", status: 400, code: "path_invalid"},
		"an encoded NUL":                    {target: "/w/alpha/query%00", status: 400, code: "path_invalid"},
		"an encoded line feed":              {target: "/w/alpha/query%0Ax", status: 400, code: "path_invalid"},
		"broken encoding":                   {target: "/w/alpha/query/%zz", status: 0},
		"not UTF-8, encoded":                {target: "/w/alpha/query/%ff", status: 400, code: "path_invalid"},
		"not ASCII, encoded":                {target: "/w/alpha/query/caf%C3%A9", status: 200, worker: "gen-alpha", saw: "GET /query/caf%C3%A9"},
		"not ASCII, as it is":               {target: "/w/alpha/query/café", status: 200, worker: "gen-alpha", saw: "GET /query/café"},
		"not ASCII in the name":             {target: "/w/caf%C3%A9/query", status: 400, code: "workspace_invalid"},
		"a name that looks alike":           {target: "/w/%D0%B0lpha/query", status: 400, code: "workspace_invalid"}, // a Cyrillic letter
		"parameters behind the name":        {target: "/w/alpha;x=1/query", status: 400, code: "workspace_invalid"},
		"no path":                           {target: "*", method: "OPTIONS", status: 400, code: "path_invalid"},
		"another w":                         {target: "/W/alpha/query", status: 200, worker: "gen-default", saw: "GET /W/alpha/query"},
		"absolute form":                     {target: "http://localhost/w/alpha/query", status: 200, worker: "gen-alpha", saw: "GET /query", only: "HTTP/1"},
		"absolute form, another host":       {target: "http://beta.localhost/query", status: 200, worker: "gen-beta", saw: "GET /query", only: "HTTP/1"},
		"absolute form, and a host's":       {target: "http://beta.localhost/query", host: "alpha.localhost", status: 200, worker: "gen-beta", only: "HTTP/1"},
		"absolute form without a path":      {target: "http://beta.localhost", status: 200, worker: "gen-beta", saw: "GET /", only: "HTTP/1"},
		"host":                              {target: "/query", host: "alpha.localhost", status: 200, worker: "gen-alpha", saw: "GET /query"},
		"host with a port":                  {target: "/query", host: "alpha.localhost:9", status: 200, worker: "gen-alpha", saw: "GET /query"},
		"host with a dot at its end":        {target: "/query", host: "alpha.localhost.", status: 200, worker: "gen-alpha", saw: "GET /query"},
		"host in another case":              {target: "/query", host: "ALPHA.LocalHost", status: 200, worker: "gen-alpha", saw: "GET /query"},
		"host with a user":                  {target: "/query", host: "alpha@localhost", status: 0},
		"host with a blank":                 {target: "/query", host: "local host", status: 0},
		"an empty host":                     {target: "/query", noKey: true, status: 421, code: "misdirected_request", host: "-"},
		"host with a path":                  {target: "/query", host: "localhost/w/alpha", status: 0},
		"a foreign host":                    {target: "/query", host: "evil.example", noKey: true, status: 421, code: "misdirected_request"},
		"a foreign host that ends alike":    {target: "/query", host: "evillocalhost", noKey: true, status: 421, code: "misdirected_request"},
		"a host of two labels":              {target: "/query", host: "a.b.c.localhost", status: 400, code: "workspace_invalid"},
		"host and path differ":              {target: "/w/beta/query", host: "alpha.localhost", status: 400, code: "workspace_conflict"},
		"host and header differ":            {target: "/query", host: "alpha.localhost", header: [][2]string{{selects, "beta"}}, status: 400, code: "workspace_conflict"},
		"path and header differ":            {target: "/w/alpha/query", header: [][2]string{{second, "beta"}}, status: 400, code: "workspace_conflict"},
		"both headers":                      {target: "/query", header: [][2]string{{selects, "alpha"}, {second, "beta"}}, status: 200, worker: "gen-alpha"},
		"a header twice":                    {target: "/query", header: [][2]string{{selects, "alpha"}, {selects, "alpha"}}, status: 400, code: "workspace_invalid"},
		"an empty header":                   {target: "/query", header: [][2]string{{selects, ""}}, status: 400, code: "workspace_invalid"},
		"a header that is not ASCII":        {target: "/query", header: [][2]string{{selects, "caf\xc3\xa9"}}, status: 400, code: "workspace_invalid"},
		"a header with underscores":         {target: "/query", header: [][2]string{{"LIGHTRAG_WORKSPACE", "alpha"}}, status: 200, worker: "gen-default"},
		"a credential with underscores":     {target: "/query", noKey: true, header: [][2]string{{"X_API_KEY", adminKey}}, status: 401, code: "unauthenticated"},
		"two credentials of one name":       {target: "/query", header: [][2]string{{"X-API-Key", "sk-wrong"}}, status: 200, worker: "gen-default"}, // the fake takes the first
		"a method of no name":               {method: "BREW", target: "/w/alpha/query", status: 200, worker: "gen-alpha", saw: "BREW /query"},
		"CONNECT":                           {method: "CONNECT", target: "localhost:443", host: "localhost:443", status: 403, code: "upgrade_forbidden"},
		"GET with a body":                   {target: "/w/alpha/query", body: "body", status: 200, worker: "gen-alpha", saw: "GET /query body"},
		"DELETE with a body":                {method: "DELETE", target: "/w/alpha/query", body: "body", status: 200, worker: "gen-alpha", saw: "DELETE /query body"},
		"HEAD":                              {method: "HEAD", target: "/w/alpha/query", status: 200, worker: "gen-alpha"},
		"HEAD of an error":                  {method: "HEAD", target: "/w/nowhere/query", status: 404, code: "workspace_not_found"},
		"a header beyond the bound":         {target: "/query", header: [][2]string{{"X-Large", strings.Repeat("x", 70<<10)}}, status: 431, code: "header_too_large"},
		"a header name with a blank":        {target: "/query", header: [][2]string{{"X Y", "z"}}, status: 0},
		"a header value with a line feed":   {target: "/query", header: [][2]string{{"X-Y", "z\nX-API-Key: other"}}, status: 0, only: "HTTP/2"},
		"Connection, where it has no place": {target: "/query", header: [][2]string{{"Connection", "close"}}, status: 0, only: "HTTP/2"},
		"Transfer-Encoding, likewise":       {target: "/query", header: [][2]string{{"Transfer-Encoding", "chunked"}}, status: 0, only: "HTTP/2"},
	}
	plain, secure := newFronted(t, echo, reach{}), newFronted(t, echo, reach{tls: true})
	for _, p := range protocols() {
		f := plain
		if p.secure {
			f = secure
		}
		for name, test := range tests {
			if !strings.HasPrefix(p.name, test.only) {
				continue
			}
			t.Run(p.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := wire{method: test.method, target: test.target, host: test.host, header: slices.Clone(test.header), body: test.body}
				if w.method == "" {
					w.method = http.MethodGet
				}
				switch w.host {
				case "":
					w.host = "localhost"
				case "-":
					w.host = ""
				}
				if !test.noKey {
					w.header = append([][2]string{wireKey}, w.header...)
				}
				got := p.send(t, f.connect(t, p), w)
				if test.status == 0 {
					if got.status != 0 && got.status != http.StatusBadRequest {
						t.Errorf("got %d %q, want it refused", got.status, got.body)
					}
					return
				}
				if got.status != test.status || got.header.Get("X-Router-Error") != test.code || got.header.Get("Worker-Of") != test.worker {
					t.Fatalf("got %d %q by the worker of %q: %s\nwant %d %q by %q", got.status, got.header.Get("X-Router-Error"),
						got.header.Get("Worker-Of"), got.body, test.status, test.code, test.worker)
				}
				if test.saw != "" && strings.TrimSpace(got.body) != test.saw {
					t.Errorf("the worker saw %q, want %q", got.body, test.saw)
				}
				if test.code != "" && (got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("X-Request-Id") == "") {
					t.Errorf("the refusal is not in the router's form: %v", got.header)
				}
			})
		}
	}
}

// What a browser or a proxy in front sends twice in one header over HTTP/2 is one list over HTTP/1.1.
func TestHostile_CookiesInPiecesAreOne(t *testing.T) {
	t.Parallel()
	f := newFronted(t, reflect, reach{tls: true})
	for _, p := range protocols() {
		if !p.secure {
			continue
		}
		got := p.send(t, f.connect(t, p), wire{method: "GET", target: "/query", host: "alpha.localhost", header: [][2]string{
			wireKey, {"Cookie", "a=1"}, {"Cookie", "b=2"}, {"Cookie", sessionCookie + "=x"},
		}})
		if want := `"Cookie":["a=1; b=2"]`; !strings.Contains(got.body, want) {
			t.Errorf("%s: the worker saw %s, want %s", p.name, got.body, want)
		}
	}
}

func TestHostile_NamesOfHeadersAreCountedWithTheirValues(t *testing.T) {
	t.Parallel()
	f := newFronted(t, echo, reach{}, withConfig(func(c *Config) { c.HeaderBytes = 4 << 10 }))
	for _, p := range protocols()[:3] {
		if p.secure {
			continue
		}
		w := wire{method: "GET", target: "/w/alpha/query", host: "localhost", header: [][2]string{wireKey}}
		for i := range 600 {
			w.header = append(w.header, [2]string{fmt.Sprintf("X-%d", i), "y"})
		}
		if got := p.send(t, f.connect(t, p), w); got.status != http.StatusRequestHeaderFieldsTooLarge || got.header.Get("X-Router-Error") != "header_too_large" {
			t.Errorf("%s: got %d %v", p.name, got.status, got.header)
		}
	}
}
