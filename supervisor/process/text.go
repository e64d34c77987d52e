package process

import (
	"encoding/json"
	"fmt"
	"strconv"
)

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
