package process

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// lookUpPointer follows a JSON pointer (RFC 6901) into a decoded value.
func lookUpPointer(value any, pointer string) (any, bool) {
	if pointer == "" {
		return value, true
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = unescape.Replace(token)
		switch node := value.(type) {
		case map[string]any:
			member, found := node[token]
			if !found {
				return nil, false
			}
			value = member
		case []any:
			index, err := strconv.Atoi(token)
			if err != nil || index < 0 || index >= len(node) || token != strconv.Itoa(index) {
				return nil, false
			}
			value = node[index]
		default:
			return nil, false
		}
	}
	return value, true
}

// textOf is the form in which a JSON value is compared with an expanded template.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case nil:
		return ""
	}
	return fmt.Sprintf("%v", value)
}
