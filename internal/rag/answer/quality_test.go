package answer_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
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

// exampleChunks are a document's passages. Cutting a PDF takes seconds under the race detector, so it is done once.
func exampleChunks(t *testing.T, name string) []store.Chunk {
	t.Helper()
	f, err := os.Open(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var chunks []store.Chunk
	chunker, err := chunk.New(chunk.Config{Size: 1200, Overlap: 160}, func(c chunk.Chunk) error {
		chunks = append(chunks, store.Chunk{Ordinal: c.Ordinal, Heading: c.Heading, Text: c.Text, FirstPage: c.FirstPage, LastPage: c.LastPage})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := extract.File(t.Context(), name, f, info.Size(), extract.DefaultLimits(), chunker.Add); err != nil {
		t.Fatal(err)
	}
	if err := chunker.Close(); err != nil {
		t.Fatal(err)
	}
	return chunks
}

// indexed is an engine over a workspace that holds these documents.
func indexed(t *testing.T, documents map[string][]store.Chunk) *answer.Engine {
	t.Helper()
	data, err := store.Open(t.Context(), t.TempDir(), terms.Segment)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, chunks := range documents {
		if err := errors.Join(
			data.Add(t.Context(), store.Document{ID: name, Origin: store.OriginUpload, FilePath: name, TrackID: "t"}, "", nil),
			bring(t.Context(), data, strings.TrimSuffix(name, filepath.Ext(name)), chunks),
		); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := answer.New(answer.Config{Candidates: 40, Passages: 20, Quotes: 3, Cosine: 0.2}, answer.Deps{Store: data})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// bring does for the document that waits what the indexer does.
func bring(ctx context.Context, data *store.Store, title string, chunks []store.Chunk) error {
	d, err := data.Next(ctx)
	if err != nil {
		return err
	}
	return errors.Join(data.Begin(ctx, d.Seq), data.AddChunks(ctx, d.Seq, title, chunks), data.Parsed(ctx, d.Seq), data.Finish(ctx, d.Seq))
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
	documents := map[string][]store.Chunk{history: exampleChunks(t, history), puzzles: exampleChunks(t, puzzles)}
	alone := make(map[string]*answer.Engine)
	for name, chunks := range documents {
		alone[name] = indexed(t, map[string][]store.Chunk{name: chunks})
	}
	both := indexed(t, documents)
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
