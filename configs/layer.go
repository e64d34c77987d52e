package configs

import (
	"fmt"
	"strings"
)

// layer is what one source says: values in canonical form by key, and where each was written.
type layer struct {
	values map[string]any // string or []string
	places map[string]string
}

func newLayer() layer {
	return layer{values: map[string]any{}, places: map[string]string{}}
}

// set checks the text against the key's type and keeps it; otherwise it gives the problem.
func (l layer) set(k Key, name, text, place string) (Problem, bool) {
	if !k.value.verbatim {
		text = strings.TrimSpace(text)
	}
	value, ok := k.value.parse(text)
	if !ok {
		return wrongValue(k, name, text, place), false
	}
	l.values[name], l.places[name] = value, place
	return Problem{}, true
}

func wrongValue(k Key, name, text, place string) Problem {
	if k.Secret {
		return Problem{Place: place, Key: name, Text: "want " + k.value.want}
	}
	return Problem{Place: place, Key: name, Text: fmt.Sprintf("got %q, want %s", text, k.value.want)}
}
