package kind

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	values := map[string]string{"dir": "/data/a", "port": "1", "port:grpc": "2", "nested": "{dir}", "empty": ""}
	lookUp := func(name string) (string, bool) {
		text, known := values[name]
		return text, known
	}
	tests := map[string]struct{ template, want, fails string }{
		"nothing to do":        {template: "plain text", want: "plain text"},
		"nothing at all":       {template: "", want: ""},
		"one":                  {template: "{dir}", want: "/data/a"},
		"several":              {template: "<{dir}/{port}:{port:grpc}>", want: "</data/a/1:2>"},
		"side by side":         {template: "{port}{port}", want: "11"},
		"an empty value":       {template: "a{empty}b", want: "ab"},
		"never twice":          {template: "{nested}", want: "{dir}"},
		"JSON":                 {template: `{"a": {"b": "{dir}"}, "c": {}}`, want: `{"a": {"b": "/data/a"}, "c": {}}`},
		"braces that are text": {template: "${HOME} { dir } {dir {", want: "${HOME} { dir } {dir {"},
		"unknown":              {template: "{dir}/{no_such}", fails: "{no_such}"},
		"unknown port":         {template: "{port:http}", fails: "{port:http}"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Expand(test.template, lookUp)
			switch {
			case test.fails == "" && (err != nil || got != test.want):
				t.Errorf("got %q %v, want %q", got, err, test.want)
			case test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)):
				t.Errorf("got %q %v, want an error that names %s", got, err, test.fails)
			}
		})
	}
}
