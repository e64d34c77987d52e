package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// coldBuckets reach from a start that adds nothing to one that is given up on.
var coldBuckets = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 120}

// Pool counts what the pool of workers does. It is what a supervisor.Observer asks for; its labels' values are one word
// of a closed set each, and kinds are the configuration's, so that no client can make new series.
type Pool struct {
	cold     *prometheus.HistogramVec
	starts   *prometheus.CounterVec
	stops    *prometheus.CounterVec
	resumes  *prometheus.CounterVec
	refusals *prometheus.CounterVec
}

// NewPool makes the figures and adds them to the others.
func NewPool(m *Metrics) *Pool {
	cold := histogram("cold_start_seconds", "From the first request for a worker that was not running until a phase of its start was reached, for starts that came to be ready.")
	cold.Buckets = coldBuckets
	return &Pool{
		cold:     register(m, prometheus.NewHistogramVec(cold, []string{"kind", "phase"})),
		starts:   register(m, prometheus.NewCounterVec(counter("worker_starts_total", "Starts of workers that came to an end, by outcome and, where they failed, cause."), []string{"outcome", "cause"})),
		stops:    register(m, prometheus.NewCounterVec(counter("worker_stops_total", "Workers that were asked to stop, or died, by reason; \"room\" is an eviction."), []string{"reason"})),
		resumes:  register(m, prometheus.NewCounterVec(counter("worker_resumes_total", "Workers that were told to go on with work that was left unfinished, by outcome: done, partly, refused, or ended with the worker."), []string{"outcome"})),
		refusals: register(m, prometheus.NewCounterVec(counter("pool_refusals_total", "Requests that got no worker, by reason."), []string{"reason"})),
	}
}

// ColdStart counts one phase of a start.
func (p *Pool) ColdStart(kind, phase string, after time.Duration) {
	p.cold.WithLabelValues(kind, phase).Observe(after.Seconds())
}

// Start counts one start that came to an end.
func (p *Pool) Start(outcome, cause string) { p.starts.WithLabelValues(outcome, cause).Inc() }

// Stop counts one worker that was asked to stop, or died.
func (p *Pool) Stop(reason string) { p.stops.WithLabelValues(reason).Inc() }

// Resume counts one worker that was told to go on with what was left unfinished.
func (p *Pool) Resume(outcome string) { p.resumes.WithLabelValues(outcome).Inc() }

// Refusal counts one request that got no worker.
func (p *Pool) Refusal(reason string) { p.refusals.WithLabelValues(reason).Inc() }

// Fill is how full the pool is at one moment.
type Fill struct {
	Workers                                     map[string]int // by state
	MaxWorkers, Pinned, Leases, Waiters, Queued int
	Leftovers, Resuming                         int
}

// Watch shows how full the pool is whenever the figures are read. fill is called then, and must be quick.
func (p *Pool) Watch(m *Metrics, fill func() Fill) { register(m, &fillCollector{fill}) }

// fillCollector takes its figures when they are asked for, so that they agree with each other.
type fillCollector struct{ fill func() Fill }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	descWorkers    = describe("workers", "Workers there may be, by state.", "state")
	descMaxWorkers = describe("workers_limit", "How many workers there may be at once.")
	descPinned     = describe("workspaces_pinned", "Workspaces whose workers may not be evicted.")
	descLeases     = describe("leases", "Requests and streams that hold a worker.")
	descWaiters    = describe("pool_waiters", "Requests that wait for a worker.")
	descQueued     = describe("pool_queued_workspaces", "Workspaces that wait for room or for a permit to start.")
	descLeftovers  = describe("leftovers", "Pieces of work, such as documents, that live workers found left unfinished by those before them, as last asked.")
	descResuming   = describe("workers_resuming", "Workers that are going on with such work.")
)

// Describe names the figures.
func (*fillCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descWorkers, descMaxWorkers, descPinned, descLeases, descWaiters, descQueued, descLeftovers, descResuming} {
		to <- d
	}
}

// Collect takes them.
func (c *fillCollector) Collect(to chan<- prometheus.Metric) {
	fill := c.fill()
	gauge := func(d *prometheus.Desc, value int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	for state, n := range fill.Workers {
		gauge(descWorkers, n, state)
	}
	gauge(descMaxWorkers, fill.MaxWorkers)
	gauge(descPinned, fill.Pinned)
	gauge(descLeases, fill.Leases)
	gauge(descWaiters, fill.Waiters)
	gauge(descQueued, fill.Queued)
	gauge(descLeftovers, fill.Leftovers)
	gauge(descResuming, fill.Resuming)
}
