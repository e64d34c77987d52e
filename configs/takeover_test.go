package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoad_TakesOverTheDirectoriesOfAServer(t *testing.T) {
	t.Parallel()
	const model = "LLM_BINDING=openai"
	cases := map[string]struct {
		environ []string
		make    []string          // directories below the working directory
		want    map[string]string // below it, unless absolute; nil: no server's place is taken
		name    string
	}{
		"named": {
			environ: []string{"WORKING_DIR=/srv/storage", "INPUT_DIR=/srv/inputs", "WORKSPACE=astrid"},
			want:    map[string]string{"storage": "/srv/storage", "inputs": "/srv/inputs"}, name: "astrid",
		},
		"named from where the server ran": {
			environ: []string{"WORKING_DIR=./storage"}, make: []string{"inputs"},
			want: map[string]string{"storage": "storage", "inputs": "inputs"},
		},
		"only what is named":       {environ: []string{"WORKING_DIR=/srv/storage"}, want: map[string]string{"storage": "/srv/storage"}},
		"the usual ones":           {environ: []string{model}, make: []string{"rag_storage", "inputs"}, want: map[string]string{"storage": "rag_storage", "inputs": "inputs"}},
		"one with a common name":   {environ: []string{model}, make: []string{"inputs"}},
		"none":                     {environ: []string{model, "WORKSPACE=astrid"}},
		"another kind":             {environ: []string{"ROUTER_DEFAULT_KIND=embedded", "WORKING_DIR=/srv/storage"}, make: []string{"rag_storage", "inputs"}},
		"a name that it would not": {environ: []string{"WORKING_DIR=/s", "WORKSPACE=my-data"}, want: map[string]string{"storage": "/s"}, name: "my_data"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, one := range tc.make {
				if err := os.Mkdir(filepath.Join(dir, one), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for place, path := range tc.want {
				if !filepath.IsAbs(path) {
					tc.want[place] = filepath.Join(dir, path)
				}
			}
			config := mustLoad(t, Source{Environ: tc.environ, Dir: dir})
			var want *TakenOver
			if tc.want != nil {
				want = &TakenOver{WorkerName: tc.name, Places: tc.want}
			}
			if diff := cmp.Diff(want, config.TakenOver); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A worker that may write to its directories must not reach those of all others by them.
func TestLoad_RefusesToTakeOverWhatHoldsItsOwnData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"the data directory": "data", "one above": ".", "one below": "data/workspaces/default", "one above by a link": "link",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, Source{Dir: dir, Environ: []string{"ROUTER_DATA=" + filepath.Join(dir, "data"), "WORKING_DIR=" + path}})
			if err == nil || !strings.Contains(err.Error(), "ENV WORKING_DIR: got ") || !strings.Contains(err.Error(), "apart from the data directory") {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}
