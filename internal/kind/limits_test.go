package kind

import (
	"fmt"
	"strings"
	"testing"
)

func TestDecode_Limits(t *testing.T) {
	t.Parallel()
	for text, wrong := range map[string]string{
		"limits: {memory: 64MiB}":                         "",
		"limits: {memory: 64MiB, memory_high: 48MiB}":     "",
		"limits: {memory_high: 48MiB}":                    "",
		"limits: {memory: 0}":                             "limits.memory",
		"limits: {memory_high: 0}":                        "limits.memory_high",
		"limits: {memory: 8MiB}":                          "limits.memory",
		"limits: {memory: 64MiB, memory_high: 64MiB}":     "limits.memory_high",
		"limits: {memory_high: 1MiB}":                     "limits.memory_high",
		"limits: {memory: 64MiB}\ncost: {memory: 65MiB}":  "limits.memory",
		"limits: {memory: 64MiB}\ncost: {memory: 64MiB}":  "",
		"limits: {memory: lots}":                          "limits.memory",
		"limits: {processes: 3}":                          "limits.processes",
		"limits: {memory: 64MiB, memory_high: 65536000B}": "",
	} {
		_, err := Decode("k.yaml", fmt.Appendf(nil, "name: k\nprocesses: [{program: p}]\nendpoints: {http: {network: unix}}\nready: {path: /}\nroutes: [{path: /**, permission: \"query:run\"}]\n%s\n", text))
		if wrong == "" && err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong+": ")) {
			t.Errorf("%s: got %v, want a word about %s", text, err, wrong)
		}
	}
}
