package kind

import (
	"strings"
	"testing"
)

func TestPreload_Validation(t *testing.T) {
	t.Parallel()
	const python = "isolation: {runtime: python}\n"
	for text, want := range map[string]string{
		python + "preload: {mode: auto, own: [a], probe: [a.b]}":                                           "",
		python + "preload: {mode: on, own: [a], probe: [a.b], warm: [{call: m.f, args: [x], given: X}]}":   "",
		python + "preload: {mode: auto, own: [a], probe: [a], environment: [X, Y_*], ignore: ['*', HOME]}": "",
		"preload: {mode: auto, own: [a], probe: [a.b]}":                                                    "preload.mode",
		python + "preload: {mode: always, own: [a], probe: [a]}":                                           "preload.mode",
		python + "preload: {mode: auto, probe: [a]}":                                                       "preload.own",
		python + "preload: {mode: auto, own: [a]}":                                                         "preload.probe",
		python + "preload: {mode: auto, own: [a.b], probe: [a]}":                                           "preload.own[0]",
		python + "preload: {mode: auto, own: [a], probe: ['a b']}":                                         "preload.probe[0]",
		python + "preload: {mode: auto, own: [a], probe: [a], warm: [{call: f}]}":                          "preload.warm[0].call",
		python + "preload: {mode: auto, own: [a], probe: [a], warm: [{call: m.f, given: 'A B'}]}":          "preload.warm[0].given",
		python + "preload: {mode: auto, own: [a], probe: [a], environment: ['*']}":                         "preload.environment[0]",
		python + "preload: {mode: auto, own: [a], probe: [a], ignore: ['A*']}":                             "preload.ignore[0]",
		python + "preload: {mode: auto, own: [a], probe: [a], options: [-I]}":                              "options",
		"preload: {own: [a..b]}": "preload.own[0]",
	} {
		_, err := Decode("mini.yaml", []byte(minimal+text+"\n"))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
