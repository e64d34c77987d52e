package main

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"workspace-router/bench/measure"
)

func report(out io.Writer, o options, r *results) {
	fmt.Fprintf(out, "# The pool\n\nWhole processes with the built programs, %d processors; the kind `embedded`.\n\n", runtime.NumCPU())
	fmt.Fprintln(out, "| the router itself | RSS MiB | PSS MiB | goroutines | descriptors | processor time at rest |\n| --- | --- | --- | --- | --- | --- |")
	for _, row := range []struct {
		what string
		s    state
	}{
		{"nothing registered", r.empty},
		{fmt.Sprintf("%d registered", o.registered), r.registered},
		{"the same, after a list of all", r.listed},
		{fmt.Sprintf("%d registered, %d running", o.registered, o.running), r.running},
	} {
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %d | %d | %s |\n", row.what, row.s.rss, row.s.pss, row.s.goroutines, row.s.files, atRest(row.s))
	}
	fmt.Fprintf(out, "\n| cost | measured | target |\n| --- | --- | --- |\n")
	fmt.Fprintf(out, "| RSS for %d registered workspaces | %+.1f MiB | ≤ +30 MiB |\n", o.registered, r.registered.rss-r.empty.rss)
	fmt.Fprintf(out, "| RSS for each running worker | %+.2f MiB | |\n", (r.running.rss-r.registered.rss)/float64(o.running))
	fmt.Fprintf(out, "| goroutines for each running worker | %+.1f | |\n", float64(r.running.goroutines-r.registered.goroutines)/float64(o.running))
	fmt.Fprintf(out, "| added to a cold start, p50 less p50 of the worker alone | %s | ≤ 10 ms |\n", measure.Millis(measure.Quantile(r.through, 0.5)-measure.Quantile(r.alone, 0.5)))
	fmt.Fprintf(out, "| added to a cold start, p99 less p99 of the worker alone | %s | ≤ 50 ms |\n", measure.Millis(measure.Quantile(r.through, 0.99)-measure.Quantile(r.alone, 0.99)))
	fmt.Fprintf(out, "| added to each of %d cold starts at once, mean | %s | ≤ 10 ms |\n", o.running, measure.Millis(perStart(r, o.running)))
	fmt.Fprintf(out, "| first answer of a cold workspace, p50 | %s | ≤ 100 ms |\n\n", measure.Millis(measure.Quantile(r.through, 0.5)))
	fmt.Fprintln(out, "| cold starts, to the whole first answer | n | p50 | p99 | worst |\n| --- | --- | --- | --- | --- |")
	line := func(what string, times []time.Duration) {
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s |\n", what, len(times), measure.Millis(measure.Quantile(times, 0.5)), measure.Millis(measure.Quantile(times, 0.99)), measure.Millis(measure.Quantile(times, 1)))
	}
	line("the worker alone, from its spawn", r.alone)
	line("through the router, one after the other", r.through)
	line(fmt.Sprintf("%d workers alone, %d at a time", o.running, runtime.NumCPU()), r.aloneTogether)
	line(fmt.Sprintf("through the router, %d at once", o.running), r.together)
	fmt.Fprintln(out, "\n| phase, one after the other: since the request came | n | p50 | p99 | worst |\n| --- | --- | --- | --- | --- |")
	for _, phase := range []string{"queued", "locked", "spawned", "ready", "proven", "first_byte"} {
		line(phase, r.phases[phase])
	}
}

// perStart is what the router adds to each of many starts at once, on average: until the last has answered, each
// processor has done its share of them one after the other.
func perStart(r *results, n int) time.Duration {
	return (measure.Quantile(r.together, 1) - measure.Quantile(r.aloneTogether, 1)) * time.Duration(runtime.NumCPU()) / time.Duration(n)
}

func atRest(s state) string {
	if s.over < time.Second {
		return "–"
	}
	return fmt.Sprintf("%d ms in %v", s.cpu.Milliseconds(), s.over.Round(time.Second))
}
