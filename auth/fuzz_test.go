package auth

import (
	"errors"
	"net/http"
	"testing"

	"workspace-router/internal/workspace"
)

// Whatever the headers hold, the answer is a credential within bounds or ErrUnauthenticated, and never that of a header
// that comes later.
func FuzzCredential(f *testing.F) {
	for _, seed := range []string{"", "Bearer x", "Basic eDp5", "Basic ", "bearer  x y", "sk-x", "Basic \xff", "Bearer\tx"} {
		f.Add(seed, true, false)
		f.Add(seed, false, true)
	}
	f.Fuzz(func(t *testing.T, value string, key, chroma bool) {
		header := http.Header{"Authorization": {value}}
		if chroma {
			header["X-Chroma-Token"] = []string{"chroma"}
		}
		if key {
			header["X-Api-Key"] = []string{value}
		}
		got, err := Credential(header)
		switch {
		case err != nil:
			if !errors.Is(err, workspace.ErrUnauthenticated) || got != "" {
				t.Errorf("got %q with %v", got, err)
			}
		case got == "" || len(got) > maxCredential:
			t.Errorf("a credential of %d bytes", len(got))
		case key && got != value, !key && chroma && got != "chroma":
			t.Errorf("got %q", got)
		}
	})
}
