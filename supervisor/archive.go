package supervisor

import (
	"math"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/workspace"
)

// Archive keeps events for longer than the pool's memory does, and beyond the pool's end. Whatever fills it reads
// Pool.SinceStart; the pool itself only asks.
type Archive interface {
	// Read gives the newest events that the query names, oldest first, with their Ref. It may do I/O.
	Read(EventQuery) ([]Event, error)
}

// EventQuery names events with After < ID < Before.
type EventQuery struct {
	After, Before uint64
	Generation    workspace.Generation // only those of this workspace; blank is all
	Limit         int                  // how many at most
}

const (
	// archivePage is how many events of the archive one answer may hold.
	archivePage = 10_000
	// idGap is left between the ids of the pool before and those of this one: an id that was told, and was not kept
	// because that pool was killed, is never given twice.
	idGap = 100
)

// remember puts what the archive holds of the time before into the ring, as far as there is room for it.
func (p *Pool) remember() {
	if p.deps.Archive == nil {
		return
	}
	past, err := p.deps.Archive.Read(EventQuery{Before: math.MaxUint64, Limit: p.cfg.EventBuffer})
	if err != nil {
		p.deps.Logger.Warn("cannot read the events of before", zap.Error(err))
	}
	if len(past) > 0 {
		p.events.restore(past, idGap)
	}
}

// older gives the archive's events between the ids, oldest first. An EventMissed stands for those before and after them
// that are not there: too many, too old, or not written yet by what fills the archive.
func (p *Pool) older(after, before uint64) []Event {
	list, err := p.deps.Archive.Read(EventQuery{After: after, Before: before, Limit: archivePage})
	if err != nil {
		p.deps.Logger.Warn("cannot read older events", zap.Error(err))
		if len(list) == 0 {
			return []Event{missed(after, before, time.Now())}
		}
	}
	if len(list) == archivePage && list[0].ID > after+1 {
		list = append([]Event{missed(after, list[0].ID, list[0].Time)}, list...)
	}
	last := after
	if len(list) > 0 {
		last = list[len(list)-1].ID
	}
	// The ids of this pool have no gaps; of those before it everything is given that was kept when the pool was made.
	if own := max(last, p.events.first-1); own+1 < before {
		list = append(list, missed(own, before, time.Now()))
	}
	return list
}

// missed stands for the events between the ids.
func missed(after, before uint64, at time.Time) Event {
	return Event{ID: before - 1, Time: at, Type: EventMissed, Count: int(before - after - 1)}
}

// archived gives the events of the workspace that the ring does not hold any more.
func (p *Pool) archived(ref workspace.Ref) []Event {
	if p.deps.Archive == nil || ref.Generation == "" {
		return nil
	}
	list, err := p.deps.Archive.Read(EventQuery{Before: p.events.firstKept(), Generation: ref.Generation, Limit: archivePage})
	if err != nil {
		p.deps.Logger.Warn("cannot read older events", zap.Error(err))
	}
	return list
}
