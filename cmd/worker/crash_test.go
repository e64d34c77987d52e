package main_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const crashRounds = 12

// In each round documents are sent until the process is killed, at a moment that nobody chose. What was acknowledged must
// be there in the end, once, with all of its chunks; what was not may be there, but then whole.
func TestServe_SurvivesKillAtAnyMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := make(map[string]bool)
	for round := range crashRounds {
		w := startWorker(t, dir)
		killed := make(chan struct{})
		after := time.Duration(rand.Int64N(int64(150 * time.Millisecond)))
		time.AfterFunc(after, func() {
			_ = w.command.Process.Kill() // the wait below tells when it is gone
			close(killed)
		})
		for n := 0; ; n++ {
			name := fmt.Sprintf("note-%02d-%03d.md", round, n)
			var status int
			if n%2 == 0 {
				status, _ = w.try(http.MethodPost, "/documents/upload", upload{name, []byte(crashText(name))}, nil)
			} else {
				status, _ = w.try(http.MethodPost, "/documents/text", map[string]string{"text": crashText(name), "file_source": name}, nil)
			}
			if status != http.StatusOK {
				break
			}
			acknowledged[name] = true
		}
		<-killed
		<-w.done
		w.client.CloseIdleConnections()
	}
	w := startWorker(t, dir)
	counts := w.settle()
	t.Logf("%d documents acknowledged in %d rounds; %v", len(acknowledged), crashRounds, counts)
	if counts["processed"] != counts["all"] || counts["all"] < len(acknowledged) {
		t.Errorf("documents are %v, want all processed, at least %d", counts, len(acknowledged))
	}
	seen := make(map[string]int)
	for _, d := range listAll(w) {
		seen[d.FilePath]++
		if d.Chunks != crashChunks {
			t.Errorf("%s has %d chunks, want %d", d.FilePath, d.Chunks, crashChunks)
		}
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	for name := range acknowledged {
		if seen[name] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", name, seen[name])
		}
		checkFound(t, w, name)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "in", "alpha"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left of an unfinished upload", e.Name())
		}
	}
}

const crashChunks = 3

// crashText makes a few chunks, each of which says which document it is of.
func crashText(name string) string {
	var out strings.Builder
	word := crashWord(name)
	for section := range crashChunks {
		fmt.Fprintf(&out, "# Section %d\n\n%s\n\n", section, strings.Repeat("The marker "+word+" stands here with others. ", 20))
	}
	return out.String()
}

// crashWord is one word for the index.
func crashWord(name string) string {
	return "mark" + strings.NewReplacer("-", "", ".md", "", "note", "").Replace(name)
}

// checkFound asks for a document's own word: each of its chunks must be found, once.
func checkFound(t *testing.T, w *worker, name string) {
	t.Helper()
	var found struct {
		Data struct {
			Chunks []struct {
				FilePath string `json:"file_path"`
				ID       string `json:"chunk_id"`
			}
		}
	}
	w.call(http.MethodPost, "/query/data", map[string]any{"query": crashWord(name)}, &found)
	ids := make(map[string]bool)
	for _, c := range found.Data.Chunks {
		if c.FilePath != name || ids[c.ID] {
			t.Errorf("asking for %s found %+v", name, c)
		}
		ids[c.ID] = true
	}
	if len(ids) != crashChunks {
		t.Errorf("asking for %s found %d chunks, want %d", name, len(ids), crashChunks)
	}
}

type listed struct {
	ID       string
	FilePath string `json:"file_path"`
	Chunks   int    `json:"chunks_count"`
	Status   string
}

func listAll(w *worker) []listed {
	w.t.Helper()
	var all []listed
	for page := 1; ; page++ {
		var answer struct {
			Documents  []listed
			Pagination struct {
				HasNext bool `json:"has_next"`
			}
		}
		w.call(http.MethodPost, "/documents/paginated", map[string]any{"page": page, "page_size": 200, "sort_field": "id"}, &answer)
		all = append(all, answer.Documents...)
		if !answer.Pagination.HasNext {
			return all
		}
	}
}

// SIGTERM in the middle of indexing must end the process soon, and lose nothing.
func TestServe_SIGTERMInTheMiddleOfIndexing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := startWorker(t, dir)
	const documents = 6
	for i := range documents {
		u := example(t, "puzzles.html")
		u.name = fmt.Sprintf("puzzles-%d.html", i)
		w.call(http.MethodPost, "/documents/upload", u, nil)
	}
	begun := time.Now()
	if _, code := w.stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v to end", took)
	}
	again := startWorker(t, dir)
	if counts := again.settle(); counts["processed"] != documents || counts["all"] != documents {
		t.Errorf("documents are %v, want %d processed", counts, documents)
	}
}
