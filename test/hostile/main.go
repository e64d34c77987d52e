// Command hostile is a worker for tests: a plain HTTP server that can be told to misbehave in every way that the router
// has to survive. What it is to do comes from variables HOSTILE_* (faults.go), and from the file hostile.env in its
// working directory, one NAME=value per line, so that a test can have one workspace misbehave among others.
//
//	WORKER_SOCKET, or HOST and PORT    where it serves
//	WORKSPACE, WORKER_INSTANCE, WORKING_DIR    what /health says
//	WORKER_KEY    asked for as X-API-Key by everything but the short form of /health
//
// It is not part of the product.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 5 && os.Args[2] == roleAttack {
		fmt.Println(attempt(context.Background(), os.Args[3], os.Args[4]))
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "child" {
		child(os.Args[2])
		return
	}
	faults, err := readFaults()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(2)
	}
	if err := serve(faults); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

// worker is the server's state.
type worker struct {
	faults   faults
	requests atomic.Int64
	busy     atomic.Bool
	eating   sync.Mutex // guards memory
	memory   [][]byte
}

func serve(f faults) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if f.ignoreTerm {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	}
	witness(f, "start")
	if err := claimWriter(f); err != nil {
		return err
	}
	f.beforeReady()
	w := &worker{faults: f, memory: [][]byte{hold(f.holdMemory)}}
	listener, err := listen()
	if err != nil {
		return err
	}
	if f.doubleBind {
		if _, err := listen(); err != nil {
			return fmt.Errorf("cannot bind twice: %w", err)
		}
	}
	fmt.Printf("hostile: serves %s as %q, pid %d\n", listener.Addr(), os.Getenv("WORKSPACE"), os.Getpid())
	f.afterReady()
	server := &http.Server{Handler: w.routes(), ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	notify()
	select {
	case err := <-failed:
		return err
	case <-stop:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = server.Shutdown(ctx)
	time.Sleep(f.slowStop)
	witness(f, "stop")
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func listen() (net.Listener, error) {
	var config net.ListenConfig
	if socket := os.Getenv("WORKER_SOCKET"); socket != "" {
		return config.Listen(context.Background(), "unix", socket)
	}
	return config.Listen(context.Background(), "tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
}

// witness adds a line to the file that tells afterwards who ran when: "start WORKSPACE PID LAUNCH", likewise "stop" and "overlap".
func witness(f faults, what string) {
	if f.witness == "" {
		return
	}
	file, err := os.OpenFile(f.witness, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile: cannot bear witness:", err)
		os.Exit(2)
	}
	defer file.Close()
	// One write, so that lines of several processes do not mix.
	io.WriteString(file, fmt.Sprintf("%s %s %d %s\n", what, os.Getenv("WORKSPACE"), os.Getpid(), launchID()))
}

// launchID is what the router calls this start of the worker.
func launchID() string {
	_, launch, _ := strings.Cut(os.Getenv("WORKSPACE_ROUTER_LAUNCH"), ":")
	launch, _, _ = strings.Cut(launch, ":")
	return launch
}

// hold takes memory and touches it.
func hold(size int64) []byte {
	memory := make([]byte, size)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	return memory
}
