package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// raw sends a request as it is written and gives the answer's status, code and worker.
func (r *rig) raw(target, host string, headers ...string) (status int, code, worker string) {
	r.tb.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(r.url, "http://"), patience)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.tb.Fatal(err)
	}
	lines := append([]string{"GET " + target + " HTTP/1.1", "Host: " + host, "X-API-Key: " + adminKey, "Connection: close"}, headers...)
	if _, err := fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		r.tb.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode, response.Header.Get("X-Router-Error"), response.Header.Get("Worker-Of")
}

// Whatever is written in the place of a name has one answer, wherever it is written: it is a name, of this workspace and
// no other, or it is none. Nothing is made or started for what is none, although the key may make workspaces.
func TestHostileNames_HaveOneAnswerEverywhere(t *testing.T) {
	t.Parallel()
	const (
		refused = "400" // by whoever reads it first: the server, the reader of paths, the reader of names
		alpha   = "200 gen-alpha"
		solo    = "200 gen-acme-solo"
		other   = "200 gen-default"
	)
	made := func(name string) string { return "200 new-" + name }
	type wants struct{ path, header, host string } // blank: refused
	all := func(want string) wants { return wants{want, want, want} }
	longest := strings.Repeat("a", 64)
	tests := map[string]wants{
		// Case twins are one workspace.
		"alpha": all(alpha), "ALPHA": all(alpha), "aLpHa": all(alpha), "acme.solo": all(solo), "ACME.Solo": all(solo),
		// Look-alikes, other forms of letters, what folds to a letter: none is a name.
		"Älpha": {}, "A\u0308lpha": {}, "аlpha": {}, "ａlpha": {}, "alpha\u200b": {}, "\u202eahpla": {}, "alphа.solo": {}, "\u212a": {}, "\u0130": {}, "ſ": {},
		"al\u00adpha": {}, "αlpha": {}, "a\u0301lpha": {}, "😀": {}, "\xff\xfe": {}, "alpha\xc0\xae": {},
		// Ways up and aside.
		".": {}, "..": {}, "../alpha": {}, "..\\alpha": {}, "a/b": {}, "/": {}, "alpha/../beta": {}, "alpha/": {}, "a%2Fb": {}, "%2e%2e": {}, "..%2falpha": {},
		"alpha%00": {}, ".alpha": {}, "alpha..beta": {}, "a.b.c": {}, "alpha;x=1": {}, "alpha,beta": {}, "alpha@beta": {}, "alpha|beta": {},
		"~": {}, "*": {}, "$(id)": {}, "{workspace}": {}, "alpha'--": {}, "alpha.": {},
		// What is behind the colon is a port, and the host before it is none of a workspace.
		"alpha:beta": {host: other},
		// Control characters.
		"alpha\x00": {}, "alpha\x01": {}, "alpha\x7f": {}, "alpha\x1b[2J": {}, "al\tpha": {},
		// Blanks around a header's value are none of it.
		" alpha": {header: alpha, host: alpha}, "alpha ": {header: alpha}, " ": {}, "": {},
		// Lengths. The longest name is longer than a label of a host may be for others, not here.
		longest: all(made(longest)), longest + "a": {}, strings.Repeat("a", 4000): {}, strings.Repeat("é", 32): {},
		// Names of others' devices, options and members, which are names as any.
		"nul": all(made("nul")), "con": all(made("con")), "-rf": all(made("-rf")), "__proto__": all(made("__proto__")), "xn--lpha-6ja": all(made("xn--lpha-6ja")),
	}
	for name, want := range tests {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			t.Parallel()
			for place, ask := range map[string]func(*rig) (int, string, string){
				"path": func(r *rig) (int, string, string) {
					return r.raw("/w/"+strings.ReplaceAll(url.PathEscape(name), "%2E", ".")+"/query", "localhost")
				},
				"header": func(r *rig) (int, string, string) {
					return r.raw("/query", "localhost", "LIGHTRAG-WORKSPACE: "+name)
				},
				"second header": func(r *rig) (int, string, string) {
					return r.raw("/query", "localhost", "X-Workspace-ID: "+name)
				},
				"host": func(r *rig) (int, string, string) { return r.raw("/query", name+".localhost") },
			} {
				r := newRig(t, echo, withSettings(func(s *Settings) { s.AutoCreate = true }))
				wanted := map[string]string{"path": want.path, "header": want.header, "second header": want.header, "host": want.host}[place]
				if wanted == "" {
					wanted = refused
				}
				status, code, worker := ask(r)
				if got := strings.TrimSpace(fmt.Sprintf("%d %s", status, worker)); got != wanted {
					t.Errorf("in the %s: got %q, want %q", place, got, wanted)
				}
				if status != http.StatusOK && code != "" && code != "workspace_invalid" && code != "path_invalid" {
					t.Errorf("in the %s: the code is %q", place, code)
				}
				created := r.dir.names(func(d *fakeDirectory) []string { return d.created })
				if status != http.StatusOK && (len(created) > 0 || r.pool.acquired.Load() > 0) {
					t.Errorf("in the %s: %q were made, %d leases taken", place, created, r.pool.acquired.Load())
				}
				r.settled()
			}
		})
	}
}
