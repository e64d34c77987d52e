package kind

import (
	"strconv"
	"strings"
)

// LookUp follows a JSON pointer (RFC 6901), as probes name values, through a decoded document; false where there is
// nothing at its end.
func LookUp(document any, pointer string) (any, bool) {
	if pointer == "" {
		return document, true
	}
	if pointer[0] != '/' {
		return nil, false
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = unescape.Replace(token)
		switch node := document.(type) {
		case map[string]any:
			value, found := node[token]
			if !found {
				return nil, false
			}
			document = value
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(node) || token != strconv.Itoa(i) {
				return nil, false
			}
			document = node[i]
		default:
			return nil, false
		}
	}
	return document, true
}
