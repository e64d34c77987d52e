package kind

import (
	"fmt"
	"strings"
)

// Expand replaces each placeholder of a template, such as `{port:grpc}`, by what value gives for its name. A value is
// never expanded again. The error names the first placeholder that value does not know.
func Expand(template string, value func(name string) (text string, known bool)) (string, error) {
	var b strings.Builder
	for rest := template; ; {
		name, after, found := nextPlaceholder(rest)
		if !found {
			b.WriteString(rest)
			return b.String(), nil
		}
		text, known := value(name)
		if !known {
			return "", fmt.Errorf("cannot expand %q: unknown placeholder {%s}", template, name)
		}
		b.WriteString(rest[:after-len(name)-2])
		b.WriteString(text)
		rest = rest[after:]
	}
}
