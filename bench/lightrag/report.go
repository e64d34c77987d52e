package main

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"workspace-router/bench/measure"
)

func report(out io.Writer, o *options, r *results) {
	fmt.Fprintf(out, "# LightRAG behind the router\n\nWhole processes with the built programs, %d processors; `lightrag-server` by itself is run with the same settings. The model is a fake that answers at once. A load above %d means that others had the processors, too: compare processor time then.\n\n", runtime.NumCPU(), runtime.NumCPU())
	reportTargets(out, o, r)
	fmt.Fprintf(out, "\n| first answer of a new workspace (load %s) | n | p50 | worst | processor time of the server, p50 |\n| --- | --- | --- | --- | --- |\n", r.first.load)
	for _, row := range []struct {
		what       string
		times, cpu []time.Duration
	}{{"`lightrag-server` by itself, from its spawn", r.first.plain, r.first.plainCPU}, {"through the router", r.first.routed, r.first.routedCPU}} {
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s |\n", row.what, len(row.times), measure.Seconds(measure.Quantile(row.times, 0.5)), measure.Seconds(measure.Quantile(row.times, 1)), measure.Seconds(measure.Quantile(row.cpu, 0.5)))
	}
	fmt.Fprintf(out, "\n| warm requests | n | p50 | p99 | mean |\n| --- | --- | --- | --- | --- |\n")
	line := func(what string, times []time.Duration) {
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s |\n", what, len(times), measure.Millis(measure.Quantile(times, 0.5)), measure.Millis(measure.Quantile(times, 0.99)), measure.Millis(measure.Mean(times)))
	}
	line(fmt.Sprintf("`/graph/label/list`, the worker itself (load %s)", r.added.load), r.added.direct)
	line("the same through the router, in turns", r.added.routed)
	line(fmt.Sprintf("`/query`, %d servers by themselves", o.plain), r.crowd.plain.times)
	line(fmt.Sprintf("`/query`, %d workspaces at once (load %s)", o.live, r.crowd.load), r.crowd.routed.times)
	reportTraffic(out, o, r)
}

// reportTargets prints what the project promises itself beside what was measured.
func reportTargets(out io.Writer, o *options, r *results) {
	fmt.Fprintf(out, "| what | measured | target |\n| --- | --- | --- |\n")
	row := func(what, measured, target string) { fmt.Fprintf(out, "| %s | %s | %s |\n", what, measured, target) }
	row("first answer of a new workspace, p50", measure.Seconds(measure.Quantile(r.first.routed, 0.5)), "< 5 s on an idle machine; < 1.2 s preloaded")
	row("added to a warm request, p50", measure.Millis(measure.Quantile(r.added.routed, 0.5)-measure.Quantile(r.added.direct, 0.5)), "< 1 ms")
	row(fmt.Sprintf("memory (PSS) of each of %d, by itself and behind the router", o.plain), fmt.Sprintf("%.1f and %.1f MiB", r.crowd.plainPSS, r.crowd.routedPSS), "not more")
	row(fmt.Sprintf("the same of each of %d live workspaces", o.live), fmt.Sprintf("%.1f MiB", r.crowd.crowdPSS), "")
	row("disk of each with one document, logs and all, by itself and behind the router", fmt.Sprintf("%.1f and %.1f KiB, %.3f ×", r.crowd.plainDisk, r.crowd.routedDisk, r.crowd.routedDisk/max(1, r.crowd.plainDisk)), "≤ 1.03 ×")
	row("the router's own files, over all", fmt.Sprintf("%.0f KiB", r.crowd.others), "")
	if n := len(r.traffic); n > 0 {
		last := r.traffic[n-1]
		row(fmt.Sprintf("hits, %d workspaces on %d places, s = %.2f", o.registered, o.places, last.s), share(last.hits, last.visits), "> 90 %")
		row("warm queries of that, p99", measure.Millis(measure.Quantile(last.warm.times, 0.99)), "< 200 ms")
		row("warm queries of that, mean", measure.Millis(measure.Mean(last.warm.times)), "< 150 ms")
	}
	row("wrong answers, of "+fmt.Sprint(r.asked()), fmt.Sprint(r.wrong()), "0")
	row("lost documents, by the same answers", fmt.Sprint(r.lost()), "0")
}

func (r *results) asked() (total int) {
	for _, a := range r.all() {
		total += a.right + a.wrong + a.lost
	}
	return total
}

func reportTraffic(out io.Writer, o *options, r *results) {
	fmt.Fprintf(out, "\n%d workspaces on %d places, one visitor; a workspace is given its document at its first visit, which is no hit and not in the times.\n\n", o.registered, o.places)
	fmt.Fprintln(out, "| s | visits | new | hits | an ideal LRU's | warm p50 | warm p99 | mean of all | load |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, p := range r.traffic {
		all := append(append([]time.Duration{}, p.warm.times...), p.cold.times...)
		fmt.Fprintf(out, "| %.2f | %d | %d | %s | %s | %s | %s | %s | %s |\n", p.s, p.visits, p.newcomers, share(p.hits, p.visits), share(p.idealHits, p.visits),
			measure.Millis(measure.Quantile(p.warm.times, 0.5)), measure.Millis(measure.Quantile(p.warm.times, 0.99)), measure.Millis(measure.Mean(all)), p.load)
	}
	s := r.strikes
	fmt.Fprintf(out, "\nThe last again, with `kill -9` of %d workers and %d router: %d visits, %d of them made again after an error, the slowest %s; %d wrong answers, %d without the document.\n",
		s.workers, s.routers, s.right+s.wrong+s.lost, s.repeated, measure.Seconds(s.slowest), s.wrong, s.lost)
}

func share(n, of int) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(1, of))) }
