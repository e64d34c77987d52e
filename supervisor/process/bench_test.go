package process

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"workspace-router/internal/keeper/proc"
	"workspace-router/supervisor"
)

// BenchmarkStart measures a whole start and stop, by phases. What the router adds to a worker's own start is all but
// the time from spawned to ready.
func BenchmarkStart(b *testing.B) {
	for proof, settings := range proofs() {
		b.Run(proof, func(b *testing.B) { startAndStop(b, newSpec(b, "alpha", set(settings...))) })
	}
}

func startAndStop(b *testing.B, spec supervisor.Spec) {
	r := newRig(b)
	var spawned, ready, stopped median
	for b.Loop() {
		spec.Launch = newLaunch(b)
		began := time.Now()
		at := map[supervisor.Phase]time.Time{}
		w, err := r.Start(r.context(), spec, func(p supervisor.Progress) { at[p.Phase] = p.At })
		if err != nil {
			b.Fatal(err)
		}
		spawned = append(spawned, at[supervisor.PhaseSpawned].Sub(began))
		ready = append(ready, at[supervisor.PhaseProven].Sub(at[supervisor.PhaseSpawned]))
		began = time.Now()
		r.stop(w, false)
		stopped = append(stopped, time.Since(began))
	}
	spawned.report(b, "spawned")
	ready.report(b, "ready")
	stopped.report(b, "stopped")
}

// median is reported instead of the mean, which one pause of a busy machine decides.
type median []time.Duration

func (m median) report(b *testing.B, name string) {
	slices.Sort(m)
	b.ReportMetric(float64(m[len(m)/2].Microseconds())/1000, "ms-"+name)
}

// BenchmarkExecStep measures from the keeper's lock to the program's first instruction.
func BenchmarkExecStep(b *testing.B) {
	for proof, settings := range proofs() {
		b.Run(proof, func(b *testing.B) { execStep(b, newSpec(b, "alpha", set(settings...))) })
	}
}

func execStep(b *testing.B, spec supervisor.Spec) {
	r := newRig(b)
	spec.Kind.Processes[0].Program = "/bin/true"
	var step median
	for b.Loop() {
		spec.Launch = newLaunch(b)
		at := map[supervisor.Phase]time.Time{}
		w, err := r.Start(r.context(), spec, func(p supervisor.Progress) { at[p.Phase] = p.At })
		if err == nil || w == nil {
			b.Fatal("true does not serve")
		}
		step = append(step, at[supervisor.PhaseSpawned].Sub(at[supervisor.PhaseLocked]))
		awaitGone(b, w)
	}
	step.report(b, "step")
}

// BenchmarkCensus measures what it takes to look through the processes of this machine.
func BenchmarkCensus(b *testing.B) {
	r := newRig(b)
	for i := range 20 {
		r.start(newSpec(b, fmt.Sprintf("w%d", i)))
	}
	for b.Loop() {
		if _, err := proc.Take(proc.Scope{Data: r.id, Everything: true}); err != nil {
			b.Fatal(err)
		}
	}
}
