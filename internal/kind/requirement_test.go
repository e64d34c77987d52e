package kind

import (
	"strings"
	"testing"
)

func TestRequirement_Check(t *testing.T) {
	t.Parallel()
	r := Requirement{Given: "MODEL", Except: []string{"usual"}, Needs: "SIZE", Because: "no size is known for it"}
	for name, test := range map[string]struct {
		environment map[string]string
		refused     bool
	}{
		"neither":          {map[string]string{}, false},
		"both":             {map[string]string{"MODEL": "m0del", "SIZE": "3"}, false},
		"one":              {map[string]string{"MODEL": "m0del"}, true},
		"one and a blank":  {map[string]string{"MODEL": "m0del", "SIZE": ""}, true},
		"an exception":     {map[string]string{"MODEL": "usual"}, false},
		"a blank":          {map[string]string{"MODEL": ""}, false},
		"the other by its": {map[string]string{"SIZE": "3"}, false},
	} {
		err := r.Check(test.environment)
		if (err != nil) != test.refused {
			t.Errorf("%s: got %v, want refused: %v", name, err, test.refused)
		}
		if err != nil && (err.Error() != "SIZE is needed with MODEL: no size is known for it" || strings.Contains(err.Error(), "m0del")) {
			t.Errorf("%s: got %q, want both names, the reason and no value", name, err)
		}
	}
}
