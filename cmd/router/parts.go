package main

import (
	"context"
	"fmt"
	"sync"
)

// parts are the goroutines of a server. Each runs until it is stopped, and one that ends before is a failure of all.
type parts struct {
	group  sync.WaitGroup
	failed chan error // the first failure
	all    []*part
}

// part is one of them.
type part struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

func newParts() *parts { return &parts{failed: make(chan error, 1)} }

// start runs the part in a goroutine of its own. It is not a child of the context that asks for the shutdown, because
// the parts end one after the other.
func (p *parts) start(name string, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.Background())
	one := &part{cancel: cancel, done: make(chan struct{})}
	p.all = append(p.all, one)
	p.group.Go(func() {
		defer close(one.done)
		if err := run(ctx); err != nil {
			one.err = fmt.Errorf("%s: %w", name, err)
		}
		if ctx.Err() != nil {
			return
		}
		failure := one.err
		if failure == nil {
			failure = fmt.Errorf("%s: ended by itself", name)
		}
		select {
		case p.failed <- failure:
		default:
		}
	})
	return one
}

// stop ends the part and waits for its end.
func (p *part) stop() error {
	p.cancel()
	<-p.done
	return p.err
}

// wait stops whatever was not stopped yet, and returns when all have ended.
func (p *parts) wait() {
	for _, one := range p.all {
		one.cancel()
	}
	p.group.Wait()
}
