package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/rag/store"
	"workspace-router/internal/rag/terms"
)

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir, terms.Segment)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add brings a document to processing, with a chunk of each text.
func add(t *testing.T, s *store.Store, id string, texts ...string) store.Document {
	t.Helper()
	must(t, s.Add(t.Context(), store.Document{ID: id, Origin: store.OriginText, FilePath: id + ".md", TrackID: "track"}, "content of "+id, nil))
	d, err := s.Document(t.Context(), id)
	must(t, err)
	must(t, s.Begin(t.Context(), d.Seq))
	must(t, s.AddChunks(t.Context(), d.Seq, id, chunks(texts...)))
	must(t, s.Parsed(t.Context(), d.Seq))
	return d
}

func chunks(texts ...string) []store.Chunk {
	list := make([]store.Chunk, len(texts))
	for i, text := range texts {
		list[i] = store.Chunk{Ordinal: i, Heading: fmt.Sprintf("Section %d", i), Text: text, FirstPage: i + 1, LastPage: i + 1}
	}
	return list
}

func found(t *testing.T, s *store.Store, words ...string) []string {
	t.Helper()
	hits, err := s.Search(t.Context(), words, 100)
	must(t, err)
	texts := []string{}
	for _, h := range hits {
		texts = append(texts, h.Text)
	}
	slices.Sort(texts)
	return texts
}

func TestOpen_LocksItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := store.Open(t.Context(), dir, terms.Segment)
	must(t, err)
	if _, err := store.Open(t.Context(), dir, terms.Segment); !errors.Is(err, store.ErrLocked) {
		t.Errorf("the second got %v", err)
	}
	must(t, first.Close())
	open(t, dir)
}

func TestOpen_TakesAnyPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b?c#d%20e&f=ü")
	s, err := store.Open(t.Context(), dir, terms.Segment)
	must(t, err)
	add(t, s, "one", "text")
	must(t, s.Close())
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "rag.db")); err != nil || len(left) != 1 {
		t.Errorf("databases are %v, %v", left, err)
	}
	if got := found(t, open(t, dir), "text"); len(got) != 1 {
		t.Errorf("after opening again: %v", got)
	}
}

func TestOpen_RefusesANewerFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir, terms.Segment)
	must(t, err)
	must(t, s.Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, "rag.db"))
	must(t, err)
	_, err = db.ExecContext(t.Context(), "PRAGMA user_version = 99")
	must(t, err)
	must(t, db.Close())
	if _, err := store.Open(t.Context(), dir, terms.Segment); err == nil || !strings.Contains(err.Error(), "written by a newer one") {
		t.Errorf("got %v", err)
	}
}

// Every pair of statuses: the store takes exactly the steps that the state machine has.
func TestStatus_EveryStep(t *testing.T) {
	t.Parallel()
	legal := map[store.Status][]store.Status{
		store.Pending:    {store.Parsing, store.Failed},
		store.Parsing:    {store.Parsing, store.Processing, store.Failed},
		store.Processing: {store.Processed, store.Failed},
		store.Processed:  {store.Processing},
		store.Failed:     {store.Pending},
	}
	for _, from := range store.Statuses() {
		for _, to := range store.Statuses() {
			if got, want := from.MayBecome(to), slices.Contains(legal[from], to); got != want {
				t.Errorf("%s to %s: %v, want %v", from, to, got, want)
			}
		}
	}
	s := open(t, t.TempDir())
	d := add(t, s, "one", "text")
	if err := s.Begin(t.Context(), d.Seq); !errors.Is(err, store.ErrStale) {
		t.Errorf("parsing after processing: %v", err)
	}
	if err := s.AddChunks(t.Context(), d.Seq, "one", chunks("x")); !errors.Is(err, store.ErrStale) {
		t.Errorf("chunks while processing: %v", err)
	}
	must(t, s.Finish(t.Context(), d.Seq))
	if err := s.Finish(t.Context(), d.Seq); !errors.Is(err, store.ErrStale) {
		t.Errorf("finished twice: %v", err)
	}
	if err := s.Finish(t.Context(), 999); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody finished: %v", err)
	}
}

func TestStore_AddsADocumentOnce(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	upload := store.Document{ID: "a", Origin: store.OriginUpload, FilePath: "a.pdf", TrackID: "1"}
	failed := errors.New("disk full")
	if err := s.Add(t.Context(), upload, "", func() error { return failed }); !errors.Is(err, failed) {
		t.Fatalf("a file that cannot be placed: %v", err)
	}
	must(t, s.Add(t.Context(), upload, "", func() error { return nil }))
	var exists *store.ExistsError
	sameName := store.Document{ID: "b", Origin: store.OriginUpload, FilePath: "a.pdf"}
	if err := s.Add(t.Context(), sameName, "", func() error { t.Error("it was placed"); return nil }); !errors.As(err, &exists) || exists.Document.TrackID != "1" {
		t.Errorf("the same name: %v", err)
	}
	if err := s.Add(t.Context(), store.Document{ID: "a", Origin: store.OriginText, FilePath: "x"}, "", nil); !errors.As(err, &exists) {
		t.Errorf("the same id: %v", err)
	}
	must(t, s.Add(t.Context(), store.Document{ID: "c", Origin: store.OriginText, FilePath: "a.pdf"}, "text", nil)) // a text's name need not be its own
	next, err := s.Next(t.Context())
	if err != nil || next.ID != "a" || next.Status != store.Pending {
		t.Errorf("next is %+v, %v", next, err)
	}
}

func TestStore_BeginsAnewAfterAnInterruption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir, terms.Segment)
	must(t, err)
	must(t, s.Add(t.Context(), store.Document{ID: "a", Origin: store.OriginText, FilePath: "a"}, "text", nil))
	d, err := s.Next(t.Context())
	must(t, err)
	must(t, s.Begin(t.Context(), d.Seq))
	must(t, s.AddChunks(t.Context(), d.Seq, "a", chunks("half one", "half two")))
	if got := found(t, s, "half"); len(got) != 0 {
		t.Errorf("half a document answers: %v", got)
	}
	must(t, s.Close())
	s = open(t, dir)
	d, err = s.Next(t.Context())
	if err != nil || d.Status != store.Parsing || d.Chunks != 2 {
		t.Fatalf("after opening again: %+v, %v", d, err)
	}
	must(t, s.Begin(t.Context(), d.Seq))
	must(t, s.AddChunks(t.Context(), d.Seq, "a", chunks("whole one", "whole two", "whole three")))
	must(t, s.Parsed(t.Context(), d.Seq))
	must(t, s.Finish(t.Context(), d.Seq))
	if diff := cmp.Diff([]string{"whole one", "whole three", "whole two"}, found(t, s, "half", "whole")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something is left to do: %v", err)
	}
	if text, err := s.Text(t.Context(), d.Seq); err != nil || text != "text" {
		t.Errorf("the original is %q, %v", text, err)
	}
}

func TestStore_SearchesWords(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	add(t, s, "honey", "Bees are storing nectar in Müller's hives.", "Beeswax is secreted.")
	add(t, s, "cjk", "我们研究机器学习算法", "机会和学器")
	failed := add(t, s, "failed", "Bees that nobody may see.")
	must(t, s.Fail(t.Context(), failed.Seq, "why"))
	tests := map[string]struct {
		words []string
		want  []string
	}{
		"a stem":               {[]string{"stores"}, []string{"Bees are storing nectar in Müller's hives."}},
		"an accent":            {[]string{"muller"}, []string{"Bees are storing nectar in Müller's hives."}},
		"any word":             {[]string{"nectar", "secretion"}, []string{"Bees are storing nectar in Müller's hives.", "Beeswax is secreted."}},
		"a heading":            {[]string{"section"}, []string{"Bees are storing nectar in Müller's hives.", "Beeswax is secreted.", "我们研究机器学习算法", "机会和学器"}},
		"the name":             {[]string{"honey"}, []string{"Bees are storing nectar in Müller's hives.", "Beeswax is secreted."}},
		"unspaced":             {[]string{"机 器"}, []string{"我们研究机器学习算法"}},
		"a failed one's":       {[]string{"nobody"}, []string{}},
		"no word":              {nil, []string{}},
		"query language":       {[]string{`a" OR "bees`, "NEAR(bees)", "bees*", "heading:bees", "-", `"`}, nil},
		"only query language":  {[]string{`"`, "*", ""}, []string{}},
		"a column is no field": {[]string{"text:nectar"}, []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := found(t, s, test.words...)
			if diff := cmp.Diff(test.want, got); test.want != nil && diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
	counts, total, err := s.Frequencies(t.Context(), []string{"bees", "section", "nothing"}, 3)
	must(t, err)
	if diff := cmp.Diff([]int{2, 3, 0}, counts); diff != "" || total != 5 {
		t.Errorf("of %d, frequencies (-want +got):\n%s", total, diff)
	}
}

func TestStore_DeletesAllOfADocument(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	d := add(t, s, "a", "one word")
	add(t, s, "b", "other word")
	list, err := s.Bare(t.Context(), d.Seq, 10)
	must(t, err)
	must(t, s.AddVectors(t.Context(), d.Seq, list, [][]float32{{1, 0}}))
	kept := errors.New("not now")
	if err := s.Delete(t.Context(), "a", func(store.Document) error { return kept }); !errors.Is(err, kept) || len(found(t, s, "one")) != 1 {
		t.Errorf("an original that cannot be discarded: %v", err)
	}
	must(t, s.Delete(t.Context(), "a", nil))
	if diff := cmp.Diff([]string{"other word"}, found(t, s, "one", "word")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if near, err := s.Nearest(t.Context(), []float32{1, 0}, 5, -1); err != nil || len(near) != 0 {
		t.Errorf("vectors are left: %v, %v", near, err)
	}
	if err := s.Delete(t.Context(), "a", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if err := s.AddVectors(t.Context(), d.Seq, nil, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("vectors for nobody: %v", err)
	}
}

// The nearest vectors are those that a plain comparison of all finds.
func TestStore_NearestIsExact(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	random := rand.New(rand.NewPCG(3, 4))
	const n, dim = 300, 16
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint("text ", i)
	}
	d := add(t, s, "a", texts...)
	list, err := s.Bare(t.Context(), d.Seq, n)
	must(t, err)
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = unit(random, dim)
	}
	must(t, s.AddVectors(t.Context(), d.Seq, list, vectors))
	for range 20 {
		query := unit(random, dim)
		order := make([]int, n)
		cosines := make([]float64, n)
		for i := range order {
			order[i] = i
			for j := range query {
				cosines[i] += float64(query[j]) * float64(vectors[i][j])
			}
		}
		slices.SortFunc(order, func(a, b int) int {
			if cosines[a] > cosines[b] {
				return -1
			}
			return 1
		})
		hits, err := s.Nearest(t.Context(), query, 10, 0.3)
		must(t, err)
		for i, h := range hits {
			if h.Text != texts[order[i]] || math.Abs(h.Score-cosines[order[i]]) > 1e-5 || h.Score < 0.3 {
				t.Fatalf("neighbour %d is %q at %f, want %q at %f", i, h.Text, h.Score, texts[order[i]], cosines[order[i]])
			}
		}
		if len(hits) < 10 && cosines[order[len(hits)]] > 0.3001 {
			t.Errorf("%d neighbours, the next has %f", len(hits), cosines[order[len(hits)]])
		}
	}
	if _, err := s.Nearest(t.Context(), []float32{1}, 10, 0); err == nil || !strings.Contains(err.Error(), "16 dimensions") {
		t.Errorf("another length: %v", err)
	}
}

func unit(random *rand.Rand, dim int) []float32 {
	v := make([]float32, dim)
	var sum float64
	for i := range v {
		v[i] = float32(random.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	return v
}

func TestStore_StartsVectorsAnewForAnotherModel(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	must(t, s.UseVectors(t.Context(), "first"))
	d := add(t, s, "a", "text")
	list, err := s.Bare(t.Context(), d.Seq, 10)
	must(t, err)
	must(t, s.AddVectors(t.Context(), d.Seq, list, [][]float32{{1, 0}}))
	must(t, s.Finish(t.Context(), d.Seq))
	for _, step := range []struct {
		model  string
		status store.Status
	}{{"first", store.Processed}, {"", store.Processed}, {"second", store.Processing}} {
		must(t, s.UseVectors(t.Context(), step.model))
		if got, err := s.Document(t.Context(), "a"); err != nil || got.Status != step.status {
			t.Errorf("with model %q the document is %s, %v, want %s", step.model, got.Status, err, step.status)
		}
	}
	if got := found(t, s, "text"); len(got) != 1 {
		t.Errorf("its words are not found meanwhile: %v", got)
	}
	if list, err := s.Bare(t.Context(), d.Seq, 10); err != nil || len(list) != 1 {
		t.Errorf("without vectors are %v, %v", list, err)
	}
}

func TestStore_WorksOnAfterRelease(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for i := range 5 {
		add(t, s, fmt.Sprint("d", i), "some text")
		s.Release()
		if got := found(t, s, "text"); len(got) != i+1 {
			t.Errorf("after %d releases: %v", i, got)
		}
	}
}

func TestStore_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Add(ctx, store.Document{ID: "a", Origin: store.OriginText, FilePath: "a"}, "x", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Document(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it was added: %v", err)
	}
}
