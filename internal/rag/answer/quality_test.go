package answer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/index"
	"workspace-router/internal/rag/store"
	"workspace-router/internal/rag/terms"
)

const examples = "../../../examples/documents"

type exampleQuestion struct{ Question, Document, Phrase string }

func exampleQuestions(t *testing.T) []exampleQuestion {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(examples, "questions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var questions []exampleQuestion
	if err := json.Unmarshal(raw, &questions); err != nil {
		t.Fatal(err)
	}
	return questions
}

// indexed is an engine over a workspace that holds these of the example documents.
func indexed(t *testing.T, names ...string) *answer.Engine {
	t.Helper()
	data, err := store.Open(t.Context(), t.TempDir(), terms.Segment)
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := index.New(index.Config{
		Chunks: chunk.Config{Size: 1200, Overlap: 160}, UploadDir: examples, Backoff: time.Second, Attempts: 1,
	}, index.Deps{Store: data, Log: zap.NewNop(), Reader: extract.Isolated{Timeout: time.Minute, Limits: extract.DefaultLimits()}})
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- pipeline.Run(t.Context()) }()
	t.Cleanup(func() { // after the context is cancelled
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range names {
		if err := data.Add(t.Context(), store.Document{ID: name, Origin: store.OriginUpload, FilePath: name, TrackID: "t"}, "", nil); err != nil {
			t.Fatal(err)
		}
		pipeline.Wake()
	}
	eventually(t, "the documents are indexed", func() bool {
		counts, err := data.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if counts[store.Failed] > 0 {
			t.Fatalf("a document failed: %v", counts)
		}
		return counts[store.Processed] == len(names)
	})
	engine, err := answer.New(answer.Config{Candidates: 40, Passages: 20, Quotes: 3, Cosine: 0.2}, answer.Deps{Store: data})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-deadline:
			t.Fatalf("it did not happen that %s", what)
		case <-tick.C:
		}
	}
}

// holds says whether one of the first n passages has the phrase.
func holds(passages []answer.Passage, phrase string, n int) bool {
	want := strings.Join(strings.Fields(phrase), " ")
	for _, p := range passages[:min(n, len(passages))] {
		if strings.Contains(strings.Join(strings.Fields(p.Heading+" "+p.Text), " "), want) {
			return true
		}
	}
	return false
}

// Each document is asked its own questions and the other's, both in one workspace and in workspaces of their own.
func TestEngine_AnswersItsOwnQuestionsAndNoOthers(t *testing.T) {
	t.Parallel()
	const history, puzzles = "debian-history.pdf", "puzzles.html"
	alone := map[string]*answer.Engine{history: indexed(t, history), puzzles: indexed(t, puzzles)}
	both := indexed(t, history, puzzles)
	other := map[string]string{history: puzzles, puzzles: history}
	questions := exampleQuestions(t)
	var found1, found3, found5, together5, foreign int
	for _, q := range questions {
		ask := func(e *answer.Engine) []answer.Passage {
			found, err := e.Retrieve(t.Context(), answer.Question{Text: q.Question, Mode: "mix"})
			if err != nil {
				t.Fatal(err)
			}
			return found.Passages
		}
		own := ask(alone[q.Document])
		count(&found1, holds(own, q.Phrase, 1))
		count(&found3, holds(own, q.Phrase, 3))
		count(&found5, holds(own, q.Phrase, 5))
		if !holds(own, q.Phrase, 5) {
			t.Logf("not found: %q", q.Question)
			for _, p := range own[:min(3, len(own))] {
				t.Logf("   %.2f %s %.80q", p.Coverage, p.Heading, p.Text)
			}
		}
		count(&together5, holds(ask(both), q.Phrase, 5))
		if strange := ask(alone[other[q.Document]]); len(strange) > 0 {
			foreign++
			t.Logf("answered from the other document: %q: %.2f %q %.200q", q.Question, strange[0].Coverage, strange[0].Heading, strange[0].Text)
		}
	}
	n := len(questions)
	t.Logf("recall of %d questions: @1 %d, @3 %d, @5 %d; @5 with both documents in one workspace %d; answered by the other document %d",
		n, found1, found3, found5, together5, foreign)
	if found5 < n*9/10 || together5 < n*9/10 {
		t.Errorf("found %d alone and %d together of %d, want at least nine in ten", found5, together5, n)
	}
	if foreign > 0 {
		t.Errorf("%d questions were answered from the other document, want 0", foreign)
	}
}

func count(n *int, yes bool) {
	if yes {
		*n++
	}
}
