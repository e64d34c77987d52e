// Command worker measures bin/worker as whole processes: how fast it starts on a workspace of 10,000 chunks, what memory
// it holds at rest, how fast it answers, and how well it finds what the example documents say. It prints Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

type options struct {
	worker    string
	documents string
	chunks    int
	starts    int
	queries   int
}

func main() {
	var o options
	short := flag.Bool("short", false, "measure less often, for a check in CI")
	limit := flag.Duration("limit", time.Minute, "give up after this time")
	flag.StringVar(&o.worker, "worker", "bin/worker", "the program to measure")
	flag.StringVar(&o.documents, "documents", "examples/documents", "where the documents and questions.json are")
	flag.IntVar(&o.chunks, "chunks", 10_000, "size of the workspace")
	flag.IntVar(&o.starts, "starts", 20, "how often to start")
	flag.IntVar(&o.queries, "queries", 500, "how many questions to ask")
	flag.Parse()
	if *short {
		o.starts, o.queries = min(o.starts, 5), min(o.queries, 100)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures in a directory of its own, which it removes.
func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "bench-worker-")
	if err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	scale, err := measureScale(ctx, o, dir)
	if err != nil {
		return fmt.Errorf("cannot measure a workspace of %d chunks: %w", o.chunks, err)
	}
	recall, err := measureRecall(ctx, o, dir)
	if err != nil {
		return fmt.Errorf("cannot measure recall: %w", err)
	}
	report(out, o, scale, recall)
	return nil
}

func report(out io.Writer, o options, s scale, r recall) {
	fmt.Fprintf(out, "# bin/worker\n\nWhole processes over a Unix socket; a workspace of %d chunks in %d documents, indexed in %v.\n\n", s.chunks, s.documents, s.indexing.Round(time.Millisecond))
	fmt.Fprintln(out, "| what | p50 | p95 | worst | target |\n| --- | --- | --- | --- | --- |")
	fmt.Fprintf(out, "| spawn to `/health` 200, %d starts | %s | < 50 ms |\n", o.starts, spread(s.starts))
	fmt.Fprintf(out, "| `/query` by BM25, %d questions | %s | < 10 ms |\n", o.queries, spread(s.queries))
	fmt.Fprintf(out, "| `/query` for common words | %s | |\n\n", spread(s.common))
	fmt.Fprintln(out, "| memory at rest (PSS) | MiB | target |\n| --- | --- | --- |")
	for _, m := range s.memory {
		fmt.Fprintf(out, "| %s | %.1f | < 20 |\n", m.when, m.mib)
	}
	fmt.Fprintln(out, "\n| questions on the example documents | of | found |\n| --- | --- | --- |")
	for _, row := range []struct {
		what string
		n    int
	}{{"recall@1", r.at1}, {"recall@3", r.at3}, {"recall@5", r.at5}, {"answered from the other document (should be 0)", r.foreign}} {
		fmt.Fprintf(out, "| %s | %d | %d |\n", row.what, r.questions, row.n)
	}
}
