package supervisor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// telling reports a pid as soon as it starts a worker.
type telling struct{ *fakeDriver }

func (d telling) Start(ctx context.Context, spec Spec, report func(Progress)) (Worker, error) {
	report(Progress{Launch: spec.Launch, Phase: PhaseSpawned, At: time.Now(), PID: 42})
	return d.fakeDriver.Start(ctx, spec, report)
}

// The pid is known from the moment at which the process is there, long before anything is measured of it.
func TestStatus_TellsThePIDOfAWorkerThatStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := newFakeDriver()
		b := newBenchWith(t, testConfig(1), driver, func(d *Deps) { d.Driver = telling{driver} })
		started := make(chan error, 1)
		go func() { started <- b.pool.Start(context.Background(), refOf("a")) }()
		pass(time.Millisecond)
		if got := b.pool.List(context.Background()); len(got) != 1 || got[0].State != StateStarting || got[0].PID != 42 {
			t.Errorf("got %+v, want one worker that is starting, with its pid", got)
		}
		if err := <-started; err != nil {
			t.Error(err)
		}
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
}
