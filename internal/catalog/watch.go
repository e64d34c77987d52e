package catalog

import (
	"context"
	"errors"
	"time"
)

// watchEvery is how often is looked whether another process has changed the database; what is remembered here may be
// older than its changes by no more.
const watchEvery = 250 * time.Millisecond

// Run forgets what is remembered whenever another process has changed the database, as the router before this one does
// while it leaves, and calls changed, which may be nil. It returns nil when ctx ends.
func (c *Catalog) Run(ctx context.Context, changed func()) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for last := int64(-1); ; {
		version, err := c.dataVersion(ctx)
		// What cannot be asked may have been changed.
		if (err != nil || version != last) && ctx.Err() == nil {
			last = version
			c.resolved.forget()
			c.keysChanged()
			if changed != nil {
				changed()
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// dataVersion asks the writer's connection, which is one and is not counted up by its own changes.
func (c *Catalog) dataVersion(ctx context.Context) (version int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	err = c.writer.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	if errors.Is(err, context.DeadlineExceeded) { // it is being written to: what is changed so is forgotten anyway
		return -1, nil
	}
	return version, err
}
