package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

type results struct {
	options
	load   string // before it began
	tables []table
	extras []extra
}

func (r *results) report(out io.Writer) {
	fmt.Fprintf(out, "# The proxy\n\nWhole processes, %d processors, %s; load average before: %s. %d rounds of %v for each number of connections, in a\nshuffled order; a worker that answers at once with %d bytes, on a Unix socket (`direct`: TCP). Ratios are medians of the\nrounds, with their quartiles; the control says what is noise.\n",
		runtime.NumCPU(), runtime.Version(), r.load, r.rounds, r.slice, len(small))
	for i := range r.tables {
		r.tables[i].report(out)
	}
	if len(r.extras) == 0 {
		return
	}
	fmt.Fprintf(out, "\n## Large bodies (%d MiB), streams, memory\n\n", r.bulk>>20)
	fmt.Fprintln(out, "| | down, MiB/s | CPU s | down in chunks | CPU s | up | CPU s | a line, added | the client left, the worker knows | RSS MiB, then with 1000 clients |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	var line time.Duration
	for _, e := range r.extras {
		if e.name == direct {
			line = e.line
		}
	}
	for _, e := range r.extras {
		fmt.Fprintf(out, "| %s | %.0f | %.2f | %.0f | %.2f | %.0f | %.2f | %s | %s | %.0f → %.0f |\n", e.name, e.down.perSecond, e.down.cpu.Seconds(),
			e.pieces.perSecond, e.pieces.cpu.Seconds(), e.up.perSecond, e.up.cpu.Seconds(), micros(e.line-line), e.left.Round(100*time.Microsecond), e.before, e.connected)
	}
}

func (t *table) report(out io.Writer) {
	fmt.Fprintf(out, "\n## %d connection%s\n\n", t.connections, strings.Repeat("s", min(1, t.connections-1)))
	peer := t.has(nginx)
	fmt.Fprint(out, "| | CPU µs a request | CPU, of httputil's | ")
	if peer {
		fmt.Fprint(out, "CPU, of nginx's | ")
	}
	fmt.Fprintln(out, "requests/s | of httputil's | p50 | p99 | added p50 |")
	fmt.Fprintln(out, "| --- | --- | --- |"+strings.Repeat(" --- |", 5+map[bool]int{true: 1}[peer]))
	for _, name := range t.names {
		fmt.Fprintf(out, "| %s | %.1f | %s | ", name, quantile(t.each(name, sample.cpuPerRequest), 0.5), spread(t.ratios(name, reference, sample.cpuPerRequest)))
		if peer {
			fmt.Fprintf(out, "%s | ", spread(t.ratios(name, nginx, sample.cpuPerRequest)))
		}
		fmt.Fprintf(out, "%.0f | %s | %s | %s | %s |\n", quantile(t.each(name, sample.perSecond), 0.5), spread(t.ratios(name, reference, sample.perSecond)),
			micros(t.delay(name, 0.5)), micros(t.delay(name, 0.99)), micros(t.delay(name, 0.5)-t.delay(direct, 0.5)))
	}
}

func spread(list []float64) string {
	return fmt.Sprintf("%.2f [%.2f–%.2f]", quantile(list, 0.5), quantile(list, 0.25), quantile(list, 0.75))
}

func micros(d time.Duration) string {
	return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
}

// farOutside is a ratio that no noise explains: four times what the router must reach.
const farOutside = 4 * 0.75

// verdict fails only where something is broken.
func (r *results) verdict() error {
	for i := range r.tables {
		t := &r.tables[i]
		if ratio := quantile(t.ratios(router, reference, sample.cpuPerRequest), 0.5); ratio > farOutside {
			return fmt.Errorf("the router takes %.2f times httputil's processor time with %d connections", ratio, t.connections)
		}
	}
	return nil
}
