package configs

import (
	"os"
	"strings"
	"testing"
)

// Whatever is in the file, reading it ends, and every problem has its place and says what is wrong.
func FuzzReadFile(f *testing.F) {
	for _, seed := range []string{
		"", "data: x\n", "pool: {max_workers: 3, wait: 2s}\n", "kind:\n  embedded:\n    environment: {A: 1}\n", "a: &a {b: *a}\n", "pool: *x\n",
		"kind_files: [a, b]\n", "- a\n", "? a\n: b\n", "data: |\n  x\n", "<<: {data: x}\n", "data: !!int 3\n", "--- a\n--- b\n", "\t", "data: \"\\x\"\n",
	} {
		f.Add(seed)
	}
	if content, err := os.ReadFile("kinds/embedded.yaml"); err == nil {
		f.Add(string(content))
	}
	keys := Keys()
	f.Fuzz(func(t *testing.T, content string) {
		file, problems := readFile("router.yaml", []byte(content), keys)
		for _, p := range problems {
			if !strings.HasPrefix(p.Place, "router.yaml") || p.Text == "" {
				t.Errorf("%+v has no place or no text", p)
			}
		}
		for name := range file.values {
			if _, known := find(keys, name); !known || file.places[name] == "" {
				t.Errorf("%q is unknown or has no place", name)
			}
		}
		if len(problems) == 0 {
			if _, err := merge(file); err != nil {
				t.Errorf("what is valid cannot be merged: %v", err)
			}
		}
	})
}
