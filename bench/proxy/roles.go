package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"workspace-router/proxy/transport"
)

// Where the parts of the benchmark find each other; the router gives its worker a socket by the same name.
const (
	variableSocket = "BENCH_SOCKET"
	variableListen = "BENCH_LISTEN"
)

// play is this program as a part of the benchmark.
func play(ctx context.Context, role string) error {
	var handler http.Handler
	switch role {
	case "worker":
		handler = worker()
	case "httputil", "lean":
		var err error
		if handler, err = bare(role); err != nil {
			return err
		}
	default:
		return fmt.Errorf("cannot be %q: unknown", role)
	}
	server := &http.Server{Handler: handler}
	context.AfterFunc(ctx, func() { server.Close() })
	var all sync.WaitGroup
	for network, address := range map[string]string{"unix": os.Getenv(variableSocket), "tcp": os.Getenv(variableListen)} {
		if address == "" || network == "unix" && role != "worker" {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, network, address)
		if err != nil {
			return err
		}
		fmt.Println("listening", listener.Addr())
		all.Go(func() { _ = server.Serve(listener) })
	}
	all.Wait()
	return nil
}

// small is what most requests are answered with.
const small = `{"answer":"fifty-eight bytes of JSON, as a small one has"}` + "\n"

// worker answers at once, so that what is in front of it is what counts.
func worker() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = io.WriteString(w, small)
	}
	mux.HandleFunc("/health", answer)
	mux.HandleFunc("/small", answer)
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.FormValue("n"), 10, 64)
		if r.FormValue("chunked") == "" {
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		piece := make([]byte, 64<<10)
		for ; n > 0; n -= int64(len(piece)) {
			if _, err := w.Write(piece[:min(int64(len(piece)), n)]); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/lines", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n, _ := strconv.Atoi(r.FormValue("n")); n > 0; n-- {
			<-tick.C
			fmt.Fprintf(w, "%d\n", time.Now().UnixNano())
			_ = http.NewResponseController(w).Flush()
		}
	})
	var left atomic.Int64
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) {
		left.Store(0)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left.Store(time.Now().UnixNano())
	})
	mux.HandleFunc("/left", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, left.Load()) })
	return mux
}

// bare is httputil with nothing around it, tuned as one would: many kept connections, and buffers that are used again.
func bare(role string) (http.Handler, error) {
	socket := os.Getenv(variableSocket)
	dial := func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "unix", socket) }
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, BufferPool: &buffers{},
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: "worker"}) },
		Transport: &http.Transport{
			DisableCompression: true, MaxIdleConns: 2048, MaxIdleConnsPerHost: 2048,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		},
	}
	if role == "lean" {
		lean, err := transport.New(transport.Config{Dial: dial})
		if err != nil {
			return nil, err
		}
		proxy.Transport = lean
	}
	return proxy, nil
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
