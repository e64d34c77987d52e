// Command serve runs the fake model endpoint of the tests by itself, to try a LightRAG without a model:
//
//	go run ./test/fakellm/serve -listen 127.0.0.1:19000
//
// The settings that LightRAG needs for it are printed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"workspace-router/test/fakellm"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:19000", "address to listen on")
	dimensions := flag.Int("dimensions", 256, "dimensions of an embedding")
	word := flag.Duration("word", 0, "pause before each word of a streamed answer")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	for _, line := range fakellm.Settings("http://"+listener.Addr().String(), *dimensions) {
		fmt.Fprintln(os.Stdout, line)
	}
	server := &http.Server{
		Handler:           fakellm.New(fakellm.Options{Dimensions: *dimensions, Word: *word}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve: %w", err)
	}
	return nil
}
