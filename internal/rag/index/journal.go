package index

import (
	"context"
	"fmt"
	"slices"
	"time"

	"workspace-router/internal/rag/store"
)

// journalSize bounds the messages that are kept.
const journalSize = 100

// journal is what the pipeline's status shows of its work. The pipeline's mutex guards it.
type journal struct {
	name    string
	started time.Time
	done    int
	history []string
}

// Status is a view of the pipeline.
type Status struct {
	Busy    bool
	Active  bool
	JobName string
	Started time.Time // of the document in work, or of the last one
	Done    int       // documents since the process started
	Latest  string
	History []string
}

// Status says what the pipeline does.
func (p *Pipeline) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{
		Busy: p.cancel != nil, Active: p.asked != p.served, JobName: p.journal.name, Started: p.journal.started,
		Done: p.journal.done, History: slices.Clone(p.journal.history),
	}
	if n := len(s.History); n > 0 {
		s.Latest = s.History[n-1]
	}
	return s
}

// Cancel takes the document in work and all that wait out of the pipeline; they are failed then. It says whether there
// were any.
func (p *Pipeline) Cancel(ctx context.Context) (bool, error) {
	waiting, _, err := p.deps.Store.Documents(ctx, store.Filter{Statuses: store.Unfinished()})
	if err != nil {
		return false, err
	}
	for _, d := range waiting {
		// The one in work, too: its next step finds a status that it does not expect.
		if err := p.deps.Store.Fail(ctx, d.Seq, ErrCancelled.Error()); err != nil && !isGone(err) {
			return false, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel(ErrCancelled)
	}
	return len(waiting) > 0, nil
}

func (p *Pipeline) begin(d store.Document, cancel context.CancelCauseFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = cancel
	p.journal.name, p.journal.started = "Indexing "+d.FilePath, time.Now()
	p.noteLocked("Extracting and indexing " + d.FilePath)
}

func (p *Pipeline) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = nil
	p.journal.done++
}

func (p *Pipeline) note(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteLocked(message)
}

func (p *Pipeline) noteLocked(message string) {
	if len(p.journal.history) == journalSize {
		p.journal.history = slices.Delete(p.journal.history, 0, 1)
	}
	p.journal.history = append(p.journal.history, fmt.Sprintf("[%s] %s", time.Now().UTC().Format(time.RFC3339), message))
}
