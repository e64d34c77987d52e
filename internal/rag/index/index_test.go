package index_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/index"
	"workspace-router/internal/rag/store"
	"workspace-router/internal/rag/terms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a pipeline over a store, run by the test.
type bench struct {
	t        *testing.T
	store    *store.Store
	pipeline *index.Pipeline
	uploads  string
}

func newBench(t *testing.T, dir string, embedder index.Embedder) *bench {
	t.Helper()
	data, err := store.Open(t.Context(), dir, terms.Segment)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: data, uploads: t.TempDir()}
	b.pipeline, err = index.New(index.Config{
		Chunks: chunk.Config{Size: 120, Overlap: 10}, UploadDir: b.uploads, Backoff: time.Millisecond, Attempts: 3,
	}, index.Deps{
		Store: data, Embedder: embedder, Log: zap.NewNop(), Reader: extract.Isolated{Timeout: time.Minute, Limits: extract.DefaultLimits()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs the pipeline; the function that it gives ends it and closes the store.
func (b *bench) run() (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.pipeline.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
		if err := b.store.Close(); err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

func (b *bench) text(id, content string) {
	b.t.Helper()
	if err := b.store.Add(b.t.Context(), store.Document{ID: id, Origin: store.OriginText, FilePath: id, TrackID: "t"}, content, nil); err != nil {
		b.t.Fatal(err)
	}
	b.pipeline.Wake()
}

func (b *bench) file(name, content string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.uploads, name), []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Add(b.t.Context(), store.Document{ID: name, Origin: store.OriginUpload, FilePath: name, TrackID: "t"}, "", nil); err != nil {
		b.t.Fatal(err)
	}
	b.pipeline.Wake()
}

func (b *bench) document(id string) store.Document {
	b.t.Helper()
	d, err := b.store.Document(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) settle() {
	b.t.Helper()
	eventually(b.t, "the pipeline rests", func() bool { return !b.pipeline.Active() })
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-deadline:
			t.Fatalf("it did not happen that %s", what)
		case <-tick.C:
		}
	}
}

func paragraphs(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "Paragraph %d holds a hundred characters or so, as many as make a passage of its own here: w%d.\n\n", i, i)
	}
	return out.String()
}

// embedder is a model whose calls the test decides on.
type embedder struct {
	answer func(ctx context.Context, call int, texts []string) error

	mu    sync.Mutex
	calls int
}

func (*embedder) Name() string { return "fake" }

func (e *embedder) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	e.mu.Lock()
	e.calls++
	call := e.calls
	e.mu.Unlock()
	if err := e.answer(ctx, call, texts); err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = []float32{1, 0}
	}
	return vectors, nil
}

func TestPipeline_IndexesWhatWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t, t.TempDir(), nil)
	b.text("a", "# Title\n\n"+paragraphs(5))
	b.file("b.md", paragraphs(3))
	b.run()
	b.text("c", "Short.")
	b.settle()
	for id, want := range map[string]int{"a": 5, "b.md": 3, "c": 1} {
		if d := b.document(id); d.Status != store.Processed || d.Chunks != want || d.Length == 0 || d.Summary == "" {
			t.Errorf("%s is %+v, want %d chunks", id, d, want)
		}
	}
	status := b.pipeline.Status()
	if status.Busy || status.Active || status.Done != 3 || !strings.Contains(status.Latest, "Completed processing c") || len(status.History) != 6 {
		t.Errorf("the pipeline says %+v", status)
	}
}

func TestPipeline_FailsWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, t.TempDir(), nil)
	b.file("bad.pdf", "no PDF")
	b.file("empty.html", "<p></p>")
	b.file("gone.md", "x")
	if err := os.Remove(filepath.Join(b.uploads, "gone.md")); err != nil {
		t.Fatal(err)
	}
	b.file("good.md", "Good.")
	b.run()
	b.settle()
	for id, want := range map[string]string{"bad.pdf": "damaged", "empty.html": "no text", "gone.md": "no such file"} {
		if d := b.document(id); d.Status != store.Failed || !strings.Contains(d.Error, want) || strings.Contains(d.Error, b.uploads) {
			t.Errorf("%s is %s: %q, want %q", id, d.Status, d.Error, want)
		}
	}
	if d := b.document("good.md"); d.Status != store.Processed {
		t.Errorf("good.md is %s", d.Status)
	}
	if err := os.WriteFile(filepath.Join(b.uploads, "gone.md"), []byte("back"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := b.store.Retry(t.Context()); err != nil || n != 3 {
		t.Errorf("retried %d, %v", n, err)
	}
	b.pipeline.Wake()
	b.settle()
	if d := b.document("gone.md"); d.Status != store.Processed || d.Error != "" {
		t.Errorf("gone.md is %s after it came back: %q", d.Status, d.Error)
	}
}

func TestPipeline_EmbedsInBatches(t *testing.T) {
	t.Parallel()
	e := &embedder{answer: func(_ context.Context, call int, texts []string) error {
		if call == 2 {
			return errors.New("a hiccup")
		}
		if len(texts) > 32 || !strings.Contains(texts[0], "Paragraph") {
			t.Errorf("%d texts: %q", len(texts), texts[0])
		}
		return nil
	}}
	b := newBench(t, t.TempDir(), e)
	b.text("a", paragraphs(70))
	b.run()
	b.settle()
	if d := b.document("a"); d.Status != store.Processed || d.Chunks != 70 || d.Embedded != 70 || e.calls != 4 {
		t.Errorf("after %d calls: %+v", e.calls, d)
	}
}

func TestPipeline_GivesUpOnAModel(t *testing.T) {
	t.Parallel()
	e := &embedder{answer: func(context.Context, int, []string) error { return errors.New("it is down") }}
	b := newBench(t, t.TempDir(), e)
	b.text("a", "Text.")
	b.run()
	b.settle()
	if d := b.document("a"); d.Status != store.Failed || !strings.Contains(d.Error, "gave up after 3 attempts: it is down") || e.calls != 3 {
		t.Errorf("after %d calls: %+v", e.calls, d)
	}
}

// blocked is a model that reports when it is called and answers when its context ends.
func blocked() (*embedder, chan struct{}) {
	called := make(chan struct{}, 1)
	return &embedder{answer: func(ctx context.Context, _ int, _ []string) error {
		called <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, called
}

func TestPipeline_GoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stuck, called := blocked()
	b := newBench(t, dir, stuck)
	b.text("a", paragraphs(40))
	b.text("b", paragraphs(2))
	stop := b.run()
	<-called
	if status := b.pipeline.Status(); !status.Busy || !status.Active || b.document("a").Status != store.Processing {
		t.Errorf("in the middle: %+v, %s", status, b.document("a").Status)
	}
	stop()
	again := newBench(t, dir, &embedder{answer: func(context.Context, int, []string) error { return nil }})
	if !again.pipeline.Active() {
		t.Error("a pipeline that has not looked yet says that there is nothing to do")
	}
	again.run()
	again.settle()
	for id, want := range map[string]int{"a": 40, "b": 2} {
		if d := again.document(id); d.Status != store.Processed || d.Chunks != want || d.Embedded != want {
			t.Errorf("%s is %+v", id, d)
		}
	}
}

func TestPipeline_CancelsWhatIsInWorkAndWhatWaits(t *testing.T) {
	t.Parallel()
	stuck, called := blocked()
	b := newBench(t, t.TempDir(), stuck)
	b.text("a", "One.")
	b.text("b", "Two.")
	b.run()
	<-called
	some, err := b.pipeline.Cancel(t.Context())
	if err != nil || !some {
		t.Fatalf("cancelled: %v, %v", some, err)
	}
	b.settle()
	for _, id := range []string{"a", "b"} {
		if d := b.document(id); d.Status != store.Failed || d.Error != index.ErrCancelled.Error() {
			t.Errorf("%s is %s: %q", id, d.Status, d.Error)
		}
	}
	if some, err := b.pipeline.Cancel(t.Context()); err != nil || some {
		t.Errorf("cancelled nothing: %v, %v", some, err)
	}
}

func TestPipeline_LeavesADeletedDocument(t *testing.T) {
	t.Parallel()
	called, proceed := make(chan struct{}), make(chan struct{})
	e := &embedder{answer: func(_ context.Context, call int, _ []string) error {
		if call == 1 {
			close(called)
			<-proceed
		}
		return nil
	}}
	b := newBench(t, t.TempDir(), e)
	b.text("a", "One.")
	b.text("b", "Two.")
	b.run()
	<-called
	if err := b.store.Delete(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	close(proceed)
	b.settle()
	if _, err := b.store.Document(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the deleted one: %v", err)
	}
	if d := b.document("b"); d.Status != store.Processed {
		t.Errorf("the other is %s", d.Status)
	}
}

// From the moment at which a document is acknowledged until it is processed there is none at which Active says no.
func TestPipeline_IsActiveWithoutAGap(t *testing.T) {
	t.Parallel()
	b := newBench(t, t.TempDir(), nil)
	b.run()
	b.settle()
	for i := range 12 {
		id := fmt.Sprint("d", i)
		b.text(id, "Text "+id)
		for b.pipeline.Active() {
			select {
			case <-t.Context().Done():
				t.Fatal("it stays active")
			default:
			}
		}
		if d := b.document(id); d.Status != store.Processed {
			t.Fatalf("inactive while %s is %s", id, d.Status)
		}
	}
}
