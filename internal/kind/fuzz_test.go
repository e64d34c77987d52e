package kind

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

// What ParsePath lets through is decoded to one place only: cleaning it, as careless programs do, changes nothing, and
// so does cutting it into segments before decoding instead of after.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"/", "/a/b", "/a%2Fb", "/..", "/a/%2e%2e/b", "//", "/a;b", "/..;/", "/%c0%ae", "/w/alpha/x%20y", `/a\b`, "/%", "/a%00", "/%77/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := ParsePath(raw)
		if err != nil {
			return
		}
		decoded, err := url.PathUnescape(raw)
		if err != nil || decoded != p.Decoded || !utf8.ValidString(decoded) {
			t.Fatalf("%q was decoded to %q, want %q (%v)", raw, p.Decoded, decoded, err)
		}
		if cleaned := path.Clean(decoded); cleaned != decoded && cleaned+"/" != decoded {
			t.Fatalf("%q passed, but cleans to %q", decoded, cleaned)
		}
		if strings.ContainsAny(decoded, "\\\x00\r\n") {
			t.Fatalf("%q passed", decoded)
		}
		var segments []string
		rest := p
		for rest.Raw != "" {
			var segment string
			segment, rest = rest.CutSegment()
			segments = append(segments, segment)
		}
		if joined := "/" + strings.Join(segments, "/"); joined != decoded {
			t.Fatalf("the segments of %q make %q, want %q", raw, joined, decoded)
		}
		for _, segment := range segments {
			if strings.Contains(segment, "/") && !p.Ambiguous {
				t.Fatalf("%q has the segment %q and is not ambiguous", raw, segment)
			}
		}
	})
}

// No file makes the decoder panic, and what it accepts can be matched.
func FuzzDecode(f *testing.F) {
	f.Add(minimal)
	f.Add(minimal + "routes: [{path: /a/*, permission: \"query:run\", methods: [GET], class: never, cold: {body: \"{}\"}}]\n")
	f.Add("a: &x [*x]\n")
	f.Add("? - a\n: b\n")
	f.Add("routes: [{path: /**}, {path: /}]\nbusy: {}\ninject: {a: \"{port:x}\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Decode("fuzz.yaml", []byte(text))
		if err == nil {
			k.Match("GET", "/a/b")
		} else if err.Error() == "" {
			t.Error("a refusal without a word")
		}
	})
}
