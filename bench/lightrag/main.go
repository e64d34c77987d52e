// Command lightrag measures the real LightRAG behind the router, and beside it LightRAG by itself, as whole processes: the
// first request to a new workspace, what a warm one costs more, many workspaces at once, and far more workspaces than
// places. The model alone is a fake. It prints Markdown, with the machine's load beside what depends on it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"workspace-router/test/fakellm"
)

type options struct {
	programs   string
	server     string // lightrag-server
	tokenizer  string // its tables
	starts     int
	warm       int
	live       int
	plain      int
	registered int
	places     int
	visits     int
	strikes    int
	curve      []float64
}

// dimensions of the fake embeddings.
const dimensions = 256

func main() {
	var o options
	short := flag.Bool("short", false, "measure less, for a machine with other work: 10 live, 40 registered on 5 places")
	limit := flag.Duration("limit", 3*time.Hour, "give up after this time")
	place := flag.String("lightrag", "", "where LightRAG is installed; empty: where scripts/lightrag.sh puts it")
	version := flag.String("version", "1.5.7", "of LightRAG, for scripts/lightrag.sh")
	flag.StringVar(&o.programs, "programs", "bin", "the directory of router and keeper")
	flag.IntVar(&o.starts, "starts", 10, "first requests to new workspaces, and starts of a server by itself, in turns")
	flag.IntVar(&o.warm, "warm", 500, "warm requests to the worker itself and through the router, in turns")
	flag.IntVar(&o.live, "live", 50, "workspaces that live at once")
	flag.IntVar(&o.plain, "plain", 5, "servers by themselves that live at once, for their memory and files")
	flag.IntVar(&o.registered, "registered", 300, "workspaces of the traffic")
	flag.IntVar(&o.places, "places", 20, "workers that there may be meanwhile")
	flag.IntVar(&o.visits, "visits", 1000, "requests for each exponent of the curve")
	flag.IntVar(&o.strikes, "strikes", 10, "workers that are killed during the last part of the traffic, and the router once")
	flag.Parse()
	o.curve = []float64{1.0, 1.25, 1.5, 1.75, 2.0}
	if *short {
		o.starts, o.warm, o.live, o.plain = min(o.starts, 3), min(o.warm, 100), min(o.live, 10), min(o.plain, 3)
		o.registered, o.places, o.visits, o.strikes, o.curve = min(o.registered, 40), min(o.places, 5), min(o.visits, 60), min(o.strikes, 2), []float64{1.0, 2.0}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := o.find(ctx, *place, *version); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// find looks for LightRAG, which is installed where it is not there yet.
func (o *options) find(ctx context.Context, place, version string) error {
	if place == "" {
		script := exec.CommandContext(ctx, filepath.Join("scripts", "lightrag.sh"), version)
		script.Stderr = os.Stderr
		output, err := script.Output()
		if err != nil {
			return fmt.Errorf("cannot install LightRAG %s: %w", version, err)
		}
		place = strings.TrimSpace(string(output))
	}
	o.server, o.tokenizer = filepath.Join(place, "bin", "lightrag-server"), filepath.Join(place, "tiktoken")
	if _, err := os.Stat(o.server); err != nil {
		return fmt.Errorf("cannot find LightRAG: %w", err)
	}
	return nil
}

// results is what was measured.
type results struct {
	first   starts
	added   warm
	crowd   crowd
	traffic []part
	strikes struck
}

// run measures in a directory of its own, which it removes, with a model of its own.
func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "bl") // short, for the sockets below it
	if err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("cannot serve a model: %w", err)
	}
	model := &http.Server{Handler: fakellm.New(fakellm.Options{Dimensions: dimensions}), ReadHeaderTimeout: time.Minute}
	go func() { _ = model.Serve(listener) }() // ends by Close
	defer model.Close()
	b := &bench{options: o, dir: dir, model: append(fakellm.Settings("http://"+listener.Addr().String(), dimensions), "TIKTOKEN_CACHE_DIR="+o.tokenizer)}
	var r results
	for _, step := range []struct {
		what string
		do   func(context.Context, *results) error
	}{
		{"first requests", b.firstRequests},
		{"many at once", b.manyAtOnce},
		{"traffic", b.zipfTraffic},
	} {
		began := time.Now()
		if err := step.do(ctx, &r); err != nil {
			return fmt.Errorf("cannot measure %s: %w", step.what, err)
		}
		fmt.Fprintf(os.Stderr, "bench: %s took %v\n", step.what, time.Since(began).Round(time.Second))
	}
	report(os.Stdout, &o, &r)
	if r.wrong() > 0 || r.lost() > 0 {
		return errors.New("there were wrong answers, or lost documents")
	}
	return nil
}

// wrong counts the answers that knew another workspace's marker, over all that was asked.
func (r *results) wrong() (total int) {
	for _, a := range r.all() {
		total += a.wrong
	}
	return total
}

// lost counts the answers that did not know their own.
func (r *results) lost() (total int) {
	for _, a := range r.all() {
		total += a.lost
	}
	return total
}

func (r *results) all() []answers {
	list := []answers{r.crowd.plain, r.crowd.routed, r.strikes.answers}
	for _, p := range r.traffic {
		list = append(list, p.warm, p.cold)
	}
	return list
}
