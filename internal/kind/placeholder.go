package kind

import (
	"slices"
	"strings"
)

// The names that templates may use. `{port:NAME}` stands beside `{port}`; `{place:NAME}` never without a name.
var (
	launchNames = []string{"dir", "generation", "nonce", "place", "port", "program_dir", "run", "secret", "socket", "tenant", "worker_name", "workspace"}
	// argumentNames leaves out what a process list would show to everybody on the machine.
	argumentNames = without(launchNames, "secret", "nonce")
	answerNames   = []string{"generation", "kind", "model_tag", "nanoseconds", "tenant", "worker_name", "workspace"}
)

func without(names []string, removed ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(removed, name) })
}

// placeholders lists what a template refers to, as `port` or `port:grpc`. A brace that does not begin a name in the
// form of one is text, so that JSON and shell need no escaping.
func placeholders(template string) (names []string) {
	for rest := template; ; {
		name, after, found := nextPlaceholder(rest)
		if !found {
			return names
		}
		names = append(names, name)
		rest = rest[after:]
	}
}

// nextPlaceholder finds the first placeholder of s; after is the position behind its closing brace.
func nextPlaceholder(s string) (name string, after int, found bool) {
	for start := 0; ; {
		open := strings.IndexByte(s[start:], '{')
		if open < 0 {
			return "", 0, false
		}
		open += start
		end := open + 1
		for end < len(s) && placeholderByte(s[end]) {
			end++
		}
		if end < len(s) && s[end] == '}' && end > open+1 {
			return s[open+1 : end], end + 1, true
		}
		start = open + 1
	}
}

func placeholderByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == ':' || c == '-'
}
