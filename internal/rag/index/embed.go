package index

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"workspace-router/internal/rag/store"
)

// embed makes the vectors that are missing, a batch at a time. A model that does not answer is asked again, a few times.
func (p *Pipeline) embed(ctx context.Context, d store.Document) error {
	for {
		chunks, err := p.deps.Store.Bare(ctx, d.Seq, embedBatch)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			return nil
		}
		texts := make([]string, len(chunks))
		for i, c := range chunks {
			texts[i] = c.Text
			if c.Heading != "" {
				texts[i] = c.Heading + "\n" + c.Text
			}
		}
		vectors, err := p.vectors(ctx, texts)
		if err != nil {
			return &failure{err}
		}
		if err := p.deps.Store.AddVectors(ctx, d.Seq, chunks, vectors); err != nil {
			return err
		}
	}
}

func (p *Pipeline) vectors(ctx context.Context, texts []string) ([][]float32, error) {
	var problems []error
	for attempt := range p.config.Attempts {
		if attempt > 0 && !wait(ctx, p.config.Backoff<<(attempt-1)) {
			return nil, context.Cause(ctx)
		}
		vectors, err := p.deps.Embedder.Embed(ctx, texts)
		if err == nil {
			return vectors, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p.deps.Log.Warn("cannot embed", zap.Int("attempt", attempt+1), zap.Error(err))
		problems = []error{fmt.Errorf("gave up after %d attempts: %w", attempt+1, err)}
	}
	return nil, errors.Join(problems...)
}
