package configs

import (
	"encoding/json"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// valueType is what a key's value may be. parse gives its canonical form, a string or, for a list, a []string.
type valueType struct {
	want     string // completes "want …" and the reference's "Value"
	parse    func(text string) (value any, ok bool)
	list     bool
	verbatim bool // white space around the text belongs to it
}

func textValue(want string) valueType {
	return valueType{want: want, parse: func(text string) (any, bool) { return text, text != "" }}
}

func oneOf(values ...string) valueType {
	return valueType{want: strings.Join(values, " or "), parse: func(text string) (any, bool) {
		return text, slices.Contains(values, text)
	}}
}

func count() valueType {
	return valueType{want: "a whole number, at least 1", parse: func(text string) (any, bool) {
		n, err := strconv.Atoi(text)
		return text, err == nil && n >= 1
	}}
}

func countOrNone() valueType {
	return valueType{want: "a whole number; 0 is no cap", parse: func(text string) (any, bool) {
		n, err := strconv.Atoi(text)
		return text, err == nil && n >= 0
	}}
}

// duration takes what time.ParseDuration does; a bare number has no unit and is refused, except 0 where that means off.
func duration(zeroMeans string) valueType {
	want := `a duration above 0 with its unit, such as "250ms", "25s" or "2m"`
	if zeroMeans != "" {
		want = `a duration with its unit, such as "250ms", "25s" or "2m"; 0 is ` + zeroMeans
	}
	return valueType{want: want, parse: func(text string) (any, bool) {
		d, err := time.ParseDuration(text)
		return d.String(), err == nil && (d > 0 || d == 0 && zeroMeans != "")
	}}
}

func size() valueType {
	return valueType{want: `a size above 0 in bytes, with a unit such as "64KiB" or "128MiB"`, parse: func(text string) (any, bool) {
		n, err := kind.ParseSize(text)
		return n.String(), err == nil && n > 0
	}}
}

func boolean() valueType {
	return valueType{want: "true or false", parse: func(text string) (any, bool) {
		switch strings.ToLower(text) {
		case "true", "t", "1", "yes", "on":
			return "true", true
		case "false", "f", "0", "no", "off":
			return "false", true
		}
		return nil, false
	}}
}

func address() valueType {
	return valueType{want: `HOST:PORT, such as "127.0.0.1:9621" or ":9621" for all addresses`, parse: func(text string) (any, bool) {
		_, port, err := net.SplitHostPort(text)
		if err != nil {
			return nil, false
		}
		_, err = strconv.ParseUint(port, 10, 16)
		return text, err == nil
	}}
}

// domain takes a host name of two labels or more, in any case; one label alone could not be told from a workspace's.
func domain() valueType {
	return valueType{want: `a domain such as "rag.example.com", without a port`, parse: func(text string) (any, bool) {
		text = strings.ToLower(strings.TrimSuffix(text, "."))
		_, err := netip.ParseAddr(text)
		return text, err != nil && len(text) <= longestDomain && domainName.MatchString(text)
	}}
}

// longestDomain leaves room for the longest label, a tenant's before it, and their dots in what DNS takes.
const longestDomain = 253 - 2*64

// plainDirectory takes a path that stays below the directory that it is joined to, and says so at sight.
func plainDirectory() valueType {
	return valueType{want: `a plain path such as "knowledge-graph", without "." and ".."`, parse: func(text string) (any, bool) {
		return text, filepath.IsLocal(text) && filepath.Clean(text) == text && text != "."
	}}
}

func workspaceName() valueType {
	return valueType{want: "1 to 64 of A-Z a-z 0-9 _ -", parse: func(text string) (any, bool) {
		_, err := workspace.ParseName(text)
		return text, err == nil
	}}
}

// logLevel takes Python's names of levels too, which LOG_LEVEL carries where a LightRAG is configured.
func logLevel() valueType {
	return valueType{want: "debug, info, warn or error", parse: func(text string) (any, bool) {
		switch level := strings.ToLower(text); level {
		case "debug", "info", "warn", "error":
			return level, true
		case "warning":
			return "warn", true
		case "critical":
			return "error", true
		}
		return nil, false
	}}
}

func paths() valueType {
	return list("a list of paths; in the environment with commas between them")
}

// networks takes addresses with or without the length of a prefix.
func networks() valueType {
	networks := list("a list of networks such as 10.0.0.0/8, or of addresses; in the environment with commas between them")
	texts := networks.parse
	networks.parse = func(text string) (any, bool) {
		list, ok := texts(text)
		if ok {
			_, ok = parseNetworks(list.([]string))
		}
		return list, ok
	}
	return networks
}

// list takes texts with commas between them, none of them blank.
func list(want string) valueType {
	return valueType{want: want, list: true,
		parse: func(text string) (any, bool) {
			var list []string
			for part := range strings.SplitSeq(text, ",") {
				if part = strings.TrimSpace(part); part == "" {
					return nil, false
				}
				list = append(list, part)
			}
			return list, true
		}}
}

// origins takes "*", a list with commas, or one in JSON.
func origins() valueType {
	plain := list("`*`, or a list of origins such as \"https://app.example\"; in the environment with commas between them, or as JSON")
	split := plain.parse
	plain.parse = func(text string) (any, bool) {
		if strings.HasPrefix(strings.TrimSpace(text), "[") {
			var list []string
			if json.Unmarshal([]byte(text), &list) != nil || len(list) == 0 {
				return nil, false
			}
			text = strings.Join(list, ",")
		}
		value, ok := split(text)
		if !ok {
			return nil, false
		}
		for _, origin := range value.([]string) {
			u, err := url.Parse(origin)
			if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host) {
				return nil, false
			}
		}
		return value, true
	}
	return plain
}

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	domainName   = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	kindName     = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
)
