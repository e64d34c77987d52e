package kind

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"workspace-router/internal/workspace"
)

// Path is a request's path in the form that the worker will decode. It is made by ParsePath, which lets nothing through
// that two programs could take for two different places.
type Path struct {
	Raw     string // as sent, percent-encoded
	Decoded string // as the worker sees it
	// Ambiguous says that programs differ in what they make of the path: an encoded slash, which some take for a
	// separator, or a `;`, behind which some see parameters. Such a path counts as the strictest route.
	Ambiguous bool
}

// ParsePath checks and decodes a percent-encoded path once. The error wraps workspace.ErrPathInvalid: dot segments,
// empty segments, backslashes, control characters, text that is no UTF-8, all of them in plain or encoded form.
func ParsePath(raw string) (Path, error) {
	if raw == "" || raw[0] != '/' {
		return Path{}, pathError("it does not begin with /")
	}
	p := Path{Raw: raw, Decoded: raw}
	if strings.IndexByte(raw, '%') >= 0 {
		decoded, err := url.PathUnescape(raw)
		if err != nil {
			return Path{}, pathError("a percent sign is not followed by two hexadecimal digits")
		}
		p.Decoded = decoded
		p.Ambiguous = strings.Count(decoded, "/") != strings.Count(raw, "/")
	}
	if reason := p.check(); reason != "" {
		return Path{}, pathError(reason)
	}
	return p, nil
}

func pathError(reason string) error { return fmt.Errorf("%w: %s", workspace.ErrPathInvalid, reason) }

// check looks at each byte of the decoded form once.
func (p *Path) check() (reason string) {
	s, plain := p.Decoded, true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/':
			if i+1 < len(s) && (s[i+1] == '/' || s[i+1] == '.') {
				if reason := checkSegment(s[i+1:]); reason != "" {
					return reason
				}
			}
		case c == '\\':
			return "a backslash"
		case c < 0x20 || c == 0x7f:
			return "a control character"
		case c == ';':
			p.Ambiguous = true
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	if !plain && !utf8.ValidString(s) {
		return "text that is not UTF-8"
	}
	return ""
}

// checkSegment looks at the segment that s begins with: it may not be empty where another follows, nor `.` or `..`,
// also not with parameters behind it, which some programs cut off before they walk the path.
func checkSegment(s string) (reason string) {
	if s[0] == '/' {
		return "an empty segment (//)"
	}
	segment := s
	if end := strings.IndexAny(s, "/;"); end >= 0 {
		segment = s[:end]
	}
	if segment == "." || segment == ".." {
		return "a dot segment"
	}
	return ""
}

// CutSegment splits off the first segment, decoded: "/w/alpha/x" is "w" and "/alpha/x". The rest of a path of one
// segment is the zero Path, which differs from "/", the rest of one with a slash at its end.
func (p Path) CutSegment() (segment string, rest Path) {
	raw := p.Raw[1:]
	cut := strings.IndexByte(raw, '/')
	if cut < 0 {
		return unescape(raw), Path{}
	}
	rest = Path{Raw: raw[cut:], Decoded: raw[cut:], Ambiguous: p.Ambiguous}
	if len(p.Decoded) != len(p.Raw) {
		rest.Decoded = unescape(rest.Raw)
	}
	return unescape(raw[:cut]), rest
}

// unescape decodes a part of a path that ParsePath has accepted.
func unescape(raw string) string {
	if strings.IndexByte(raw, '%') < 0 {
		return raw
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return raw // not after ParsePath; and an undecoded name matches nothing
	}
	return decoded
}
