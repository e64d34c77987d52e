// Command proxy compares what stands between a client and its worker: nothing, nginx, HAProxy and Caddy where they are
// installed, a bare httputil.ReverseProxy over http.Transport and over proxy/transport, and the router with either. All
// are whole processes over the same worker and the same load, and take turns in short rounds of a shuffled order.
//
// What is compared is processor time for each request, as the kernel accounts for the tree of processes: throughput on a
// machine with other work says more about that. One httputil runs twice as two; what the two differ by is noise.
//
// It prints Markdown. The worker and the bare proxies are this program itself, with -as.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

type options struct {
	programs    string
	peers       string
	rounds      int
	slice       time.Duration // of one subject in one round
	connections []int
	bulk        int64 // bytes of a large transfer
	as          string
}

func main() {
	o := options{connections: []int{32, 1, 1000}}
	short := flag.Bool("short", false, "measure less, for a check in CI (at most 60 s)")
	limit := flag.Duration("limit", 20*time.Minute, "give up after this time")
	flag.StringVar(&o.programs, "programs", "bin", "the directory of router and keeper")
	flag.StringVar(&o.peers, "peers", "", "a directory that Debian packages of nginx, haproxy and caddy were unpacked into; else they are looked for in PATH")
	flag.IntVar(&o.rounds, "rounds", 16, "rounds for each number of connections")
	flag.DurationVar(&o.slice, "slice", time.Second, "how long each subject is loaded in a round")
	flag.Int64Var(&o.bulk, "bulk", 1<<30, "bytes of a large transfer; 0 measures small requests only")
	flag.StringVar(&o.as, "as", "", "be a part of the benchmark; used by itself")
	flag.Parse()
	if *short {
		o.rounds, o.slice, o.bulk, *limit = 6, 250*time.Millisecond, 0, min(*limit, time.Minute)
		o.connections = []int{32}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.as != "" {
		err = play(ctx, o.as)
	} else {
		ctx, cancel := context.WithTimeout(ctx, *limit)
		defer cancel()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures in a directory of its own, which it removes.
func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bx") // short, for the sockets below it
	if err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	field, err := assemble(ctx, o, dir)
	defer field.end()
	if err != nil {
		return err
	}
	results := results{options: o, load: loadAverage()}
	for _, connections := range o.connections {
		table, err := field.compare(ctx, o, connections)
		if err != nil {
			return fmt.Errorf("cannot measure %d connections: %w", connections, err)
		}
		results.tables = append(results.tables, table)
	}
	if o.bulk > 0 {
		if results.extras, err = field.extras(ctx, o); err != nil {
			results.report(os.Stdout) // what there is
			return err
		}
	}
	results.report(os.Stdout)
	return results.verdict()
}
