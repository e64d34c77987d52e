// Package index brings acknowledged documents into the index, one after the other, in the background. What is done of a
// document is in the store, so that a pipeline that is ended at any moment, in any way, goes on where it was. Run starts
// no goroutine of its own; the reader of a document may.
package index

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/store"
)

// Embedder makes vectors of texts.
type Embedder interface {
	Name() string
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// Config of a pipeline.
type Config struct {
	Chunks    chunk.Config
	UploadDir string        // where originals are, under their documents' file paths
	Backoff   time.Duration // before a step that failed for an outer reason is tried again
	Attempts  int           // of such a step; then the document fails
}

// Deps are what a pipeline works with.
type Deps struct {
	Store    *store.Store
	Reader   extract.Isolated
	Embedder Embedder // nil: words alone are indexed
	Log      *zap.Logger
}

// Sizes of the steps after which the work is durable.
const (
	chunkBatch = 64
	embedBatch = 32
)

const summaryLength = 250 // characters of a document's beginning that are shown in listings; LightRAG's figure

// ErrCancelled is the reason of documents that a user took out of the pipeline.
var ErrCancelled = errors.New("cancelled by the user")

// Pipeline is the background work of one store.
type Pipeline struct {
	config Config
	deps   Deps
	wake   chan struct{} // holds a token when there may be work

	mu      sync.Mutex
	asked   uint64                  // calls of Wake
	served  uint64                  // calls of Wake before the last look that found nothing to do
	cancel  context.CancelCauseFunc // of the document in work; nil between two
	journal journal
}

// New makes a pipeline. Run must be called for anything to happen.
func New(config Config, deps Deps) (*Pipeline, error) {
	if err := config.Chunks.Validate(); err != nil {
		return nil, err
	}
	if config.Attempts < 1 {
		return nil, fmt.Errorf("cannot try each step %d times", config.Attempts)
	}
	p := &Pipeline{config: config, deps: deps, wake: make(chan struct{}, 1)}
	p.Wake() // an earlier process may have left work
	return p, nil
}

// Wake says that there may be work. It is called after a document was acknowledged and before its sender is told, so
// that there is no moment at which Active says no while a document waits.
func (p *Pipeline) Wake() {
	p.mu.Lock()
	p.asked++
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Active says whether there is, or may be, work.
func (p *Pipeline) Active() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked != p.served
}

// Busy says whether a document is in work.
func (p *Pipeline) Busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancel != nil
}

// Run works until ctx is cancelled. It returns nil then; a document in work keeps its status and is taken up again by
// the next Run.
func (p *Pipeline) Run(ctx context.Context) error {
	for {
		worked, err := p.drain(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil { // the store's: a full disk, for one
			p.deps.Log.Error("cannot index; trying again", zap.Error(err), zap.Duration("after", p.config.Backoff))
			if !wait(ctx, p.config.Backoff) {
				return nil
			}
			continue
		}
		if worked {
			p.rest()
		}
		select {
		case <-p.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// drain works until there is nothing left, and says whether it did anything.
func (p *Pipeline) drain(ctx context.Context) (worked bool, err error) {
	for ctx.Err() == nil {
		p.mu.Lock()
		asked := p.asked
		p.mu.Unlock()
		d, err := p.deps.Store.Next(ctx)
		if errors.Is(err, store.ErrNotFound) {
			p.mu.Lock()
			p.served = asked
			p.mu.Unlock()
			return worked, nil
		}
		if err != nil {
			return worked, err
		}
		worked = true
		if err := p.document(ctx, d); err != nil {
			return worked, err
		}
	}
	return worked, nil
}

// document does all that is left to do for one document. An error is the store's.
func (p *Pipeline) document(ctx context.Context, d store.Document) error {
	started := time.Now()
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.begin(d, cancel)
	defer p.end()
	err := p.steps(work, d)
	switch {
	case ctx.Err() != nil, isGone(err): // shutting down; deleted or cancelled meanwhile
		return nil
	case err == nil:
		p.deps.Log.Info("document indexed", zap.String("document", d.ID), zap.Duration("took", time.Since(started)))
		p.note("Completed processing " + d.FilePath)
		return nil
	}
	var failure *failure
	if errors.Is(context.Cause(work), ErrCancelled) {
		err = ErrCancelled
	} else if !errors.As(err, &failure) {
		return err
	}
	p.deps.Log.Warn("document failed", zap.String("document", d.ID), zap.Error(err))
	p.note("Failed to process " + d.FilePath + ": " + err.Error())
	if err := p.deps.Store.Fail(ctx, d.Seq, err.Error()); err != nil && !isGone(err) {
		return err
	}
	return nil
}

// isGone says whether the document was taken away from the pipeline, by a user, between two of its steps.
func isGone(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrStale)
}

// failure is an error that is the document's, or the model's, and not the store's.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func (p *Pipeline) steps(ctx context.Context, d store.Document) error {
	if d.Status != store.Processing {
		if err := p.parse(ctx, d); err != nil {
			return err
		}
	}
	if p.deps.Embedder != nil {
		if err := p.embed(ctx, d); err != nil {
			return err
		}
	}
	return p.deps.Store.Finish(ctx, d.Seq)
}

// parse extracts the text, cuts it and stores the passages.
func (p *Pipeline) parse(ctx context.Context, d store.Document) error {
	if err := p.deps.Store.Begin(ctx, d.Seq); err != nil {
		return err
	}
	sink := &passages{ctx: ctx, pipeline: p, document: d}
	chunker, err := chunk.New(p.config.Chunks, sink.add)
	if err != nil {
		return err
	}
	if err := p.read(ctx, d, sink.watch(chunker.Add)); err != nil {
		if sink.err != nil { // the store's, handed through the reader
			return sink.err
		}
		return &failure{err}
	}
	if err := chunker.Close(); err != nil {
		return err
	}
	if err := sink.flush(); err != nil {
		return err
	}
	if err := p.deps.Store.Describe(ctx, d.Seq, sink.summary(), sink.length); err != nil {
		return err
	}
	return p.deps.Store.Parsed(ctx, d.Seq)
}

func (p *Pipeline) read(ctx context.Context, d store.Document, sink extract.Sink) error {
	if d.Origin == store.OriginText {
		content, err := p.deps.Store.Text(ctx, d.Seq)
		if err != nil {
			return err
		}
		return extract.Text(ctx, content, p.deps.Reader.Limits, sink)
	}
	return p.deps.Reader.File(ctx, filepath.Join(p.config.UploadDir, d.FilePath), d.FilePath, sink)
}

// rest gives memory back after work, for a worker is mostly at rest.
func (p *Pipeline) rest() {
	p.deps.Store.Release()
	debug.FreeOSMemory()
}

// wait says whether the time passed before ctx was cancelled.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
