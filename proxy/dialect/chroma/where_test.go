package chroma

import (
	"encoding/json"
	"strings"
	"testing"
)

// How deep a filter is looked into is bounded: it comes before any key, and what is deeper goes on as it is.
func TestWrap_LooksAtNothingBottomless(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string {
		return strings.Repeat(`{"$and":[`, depth) + `{"a":1,"b":2}` + strings.Repeat("]}", depth)
	}
	if got := string(wrap(json.RawMessage(nested(deepestFilter)))); got != strings.Replace(nested(deepestFilter), `{"a":1,"b":2}`, `{"$and":[{"a":1},{"b":2}]}`, 1) {
		t.Errorf("got %s", got)
	}
	for _, depth := range []int{deepestFilter + 1, 5000, 20000} {
		if got := string(wrap(json.RawMessage(nested(depth)))); got != nested(depth) {
			t.Errorf("of %d levels %d bytes became %d", depth, len(nested(depth)), len(got))
		}
	}
}
