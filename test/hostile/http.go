package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

func (w *worker) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", w.health)
	mux.HandleFunc("/echo", w.echo)
	mux.HandleFunc("GET /stream", w.stream)
	mux.HandleFunc("/slow", w.slow)
	mux.HandleFunc("GET /attack", attack)
	var pages visits
	mux.HandleFunc("/page/{name...}", pages.page)
	mux.HandleFunc("GET /page.js", pages.page)
	mux.HandleFunc("GET /seen", pages.seen)
	mux.HandleFunc("POST /busy", func(out http.ResponseWriter, r *http.Request) { w.busy.Store(r.FormValue("on") == "1") })
	mux.HandleFunc("POST /eat", w.eat)
	mux.HandleFunc("POST /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if n := w.faults.dieAfter; n > 0 && r.URL.Path != "/health" && w.requests.Add(1) >= n {
			os.Exit(4)
		}
		if r.URL.Path != "/health" && !authorised(r) {
			http.Error(out, `{"detail":"no valid key"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(out, r)
	})
}

func authorised(r *http.Request) bool {
	key := os.Getenv("WORKER_KEY")
	return key == "" || r.Header.Get("X-API-Key") == key
}

// health says little to everybody, and who it is to whoever has the key.
func (w *worker) health(out http.ResponseWriter, r *http.Request) {
	answer := map[string]any{"status": "healthy", "pipeline_busy": w.busy.Load(), "pipeline_active": w.busy.Load()}
	if authorised(r) {
		answer["instance"] = either(w.faults.claimInstance, os.Getenv("WORKER_INSTANCE"))
		answer["configuration"] = map[string]string{"workspace": either(w.faults.claimWorkspace, os.Getenv("WORKSPACE"))}
		answer["working_directory"] = os.Getenv("WORKING_DIR")
		answer["pid"] = os.Getpid()
	}
	status := http.StatusOK
	if w.faults.neverReady {
		status = http.StatusServiceUnavailable
	}
	reply(out, status, answer)
}

func either(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// echo gives back what arrived.
func (w *worker) echo(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	reply(out, http.StatusOK, map[string]any{
		"method": r.Method, "uri": r.RequestURI, "host": r.Host, "header": r.Header, "body": string(body),
		"workspace": os.Getenv("WORKSPACE"), "pid": os.Getpid(),
	})
}

// stream trickles lines of JSON: ?lines=10&pause=100ms.
func (w *worker) stream(out http.ResponseWriter, r *http.Request) {
	lines, err := strconv.Atoi(either(r.FormValue("lines"), "10"))
	pause, err2 := time.ParseDuration(either(r.FormValue("pause"), "10ms"))
	if err != nil || err2 != nil {
		http.Error(out, "lines and pause are a number and a duration", http.StatusBadRequest)
		return
	}
	out.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(out)
	for i := range lines {
		// The launch, because a pid is that of many where each launch has its own namespace.
		fmt.Fprintf(out, "{\"line\":%d,\"pid\":%d,\"launch\":%q}\n", i, os.Getpid(), launchID())
		if flush.Flush() != nil {
			return
		}
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return
		}
	}
}

// slow answers late: ?for=2s.
func (w *worker) slow(out http.ResponseWriter, r *http.Request) {
	pause, err := time.ParseDuration(either(r.FormValue("for"), "1s"))
	if err != nil {
		http.Error(out, "for is a duration", http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(pause):
		reply(out, http.StatusOK, map[string]any{"pid": os.Getpid()})
	case <-r.Context().Done():
	}
}

// eat takes memory and keeps it: ?bytes=1000000.
func (w *worker) eat(out http.ResponseWriter, r *http.Request) {
	size, err := strconv.ParseInt(r.FormValue("bytes"), 10, 64)
	if err != nil || size < 0 {
		http.Error(out, "bytes is a number", http.StatusBadRequest)
		return
	}
	meal := hold(size)
	w.eating.Lock()
	w.memory = append(w.memory, meal)
	w.eating.Unlock()
	reply(out, http.StatusOK, map[string]any{"pid": os.Getpid()})
}

func reply(out http.ResponseWriter, status int, value any) {
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(status)
	if err := json.NewEncoder(out).Encode(value); err != nil {
		return // the client left
	}
}
