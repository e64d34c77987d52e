package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "workspace_router"

// The label values of requests. Both sets are closed, so that no client can make new series.
var (
	classLabels  = []string{"active", "passive", "never", "none"}
	statusLabels = []string{"1xx", "2xx", "3xx", "4xx", "5xx"}
)

// Metrics are the data plane's figures. Handles are resolved once, so that counting a request is a few atomic steps.
type Metrics struct {
	registry *prometheus.Registry
	classes  map[string]*classMetrics
	problems *prometheus.CounterVec

	InFlight      prometheus.Gauge
	AuthFailures  prometheus.Counter
	UnknownRoutes prometheus.Counter
	Retries       prometheus.Counter
	Panics        prometheus.Counter
	// What never comes to a handler.
	ConnectionsRefused prometheus.Counter
	Unreadable         prometheus.Counter
	http2Errors        *prometheus.CounterVec

	BytesIn  prometheus.Counter
	BytesOut prometheus.Counter
	Waits    prometheus.Observer // seconds that requests waited for a worker that was not ready
}

// classMetrics are the handles of one class of routes.
type classMetrics struct {
	byStatus [5]prometheus.Counter // 1xx to 5xx
	duration prometheus.Observer
}

// latencyBuckets reach from a cached answer to a long stream.
var latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// NewMetrics makes the figures and the registry that holds them, with those of the process and of the Go runtime.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), classes: map[string]*classMetrics{}}
	m.registry.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(),
	)
	m.InFlight = register(m, prometheus.NewGauge(gauge("requests_in_flight", "Requests being served now, streams included.")))
	m.AuthFailures = register(m, prometheus.NewCounter(counter("auth_failures_total", "Requests whose credential was missing or not valid.")))
	m.UnknownRoutes = register(m, prometheus.NewCounter(counter("unknown_routes_total", "Requests to a worker that no route of its kind names.")))
	m.Retries = register(m, prometheus.NewCounter(counter("upstream_retries_total", "Requests sent again to a new launch, because nothing had reached the old one.")))
	m.Panics = register(m, prometheus.NewCounter(counter("panics_total", "Requests that ended in a panic of the router's own code.")))
	m.ConnectionsRefused = register(m, prometheus.NewCounter(counter("connections_refused_total", "Connections of clients that were closed at once, as limits.connections were open.")))
	m.Unreadable = register(m, prometheus.NewCounter(counter("unreadable_requests_total", "Requests that broke off, or were refused because they did not keep to HTTP.")))
	m.http2Errors = register(m, prometheus.NewCounterVec(counter("http2_errors_total", "Errors of the protocol HTTP/2 by clients, floods included, by kind."), []string{"kind"}))
	m.BytesIn = register(m, prometheus.NewCounter(counter("request_bytes_total", "Bytes of request bodies read from clients.")))
	m.BytesOut = register(m, prometheus.NewCounter(counter("response_bytes_total", "Bytes of answers' bodies written to clients.")))
	m.Waits = register(m, prometheus.NewHistogram(histogram("worker_wait_seconds", "How long requests waited for a worker that was not ready.")))
	m.problems = register(m, prometheus.NewCounterVec(counter("problems_total", "The router's own errors, by code."), []string{"code"}))
	m.resolve(
		register(m, prometheus.NewCounterVec(counter("requests_total", "Requests answered, by class of route and of status."), []string{"class", "status"})),
		register(m, prometheus.NewHistogramVec(histogram("request_duration_seconds", "From a request's arrival to its answer's last byte, by class of route."), []string{"class"})),
	)
	return m
}

// resolve looks up every combination of labels once.
func (m *Metrics) resolve(requests *prometheus.CounterVec, durations *prometheus.HistogramVec) {
	for _, class := range classLabels {
		handles := &classMetrics{duration: durations.WithLabelValues(class)}
		for i, status := range statusLabels {
			handles.byStatus[i] = requests.WithLabelValues(class, status)
		}
		m.classes[class] = handles
	}
}

// Request counts one finished request. class is blank where it reached no workspace.
func (m *Metrics) Request(class string, status int, duration time.Duration) {
	handles := m.classes[class]
	if handles == nil {
		handles = m.classes["none"]
	}
	handles.byStatus[min(max(status/100, 1), 5)-1].Inc()
	handles.duration.Observe(duration.Seconds())
}

// Problem counts one of the router's own errors. code is one of internal/problem's, so the label's values are bounded.
func (m *Metrics) Problem(code string) { m.problems.WithLabelValues(code).Inc() }

// HTTP2Error counts an error of a client's HTTP/2. kind is one of net/http's own few words.
func (m *Metrics) HTTP2Error(kind string) { m.http2Errors.WithLabelValues(kind).Inc() }

// Registerer takes further collectors, such as the pool's.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }

// Handler serves the figures in the form that Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

func register[C prometheus.Collector](m *Metrics, c C) C {
	m.registry.MustRegister(c) // of a registry of our own; a clash of names is a fault that the first test shows
	return c
}

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
}

func histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: latencyBuckets}
}
