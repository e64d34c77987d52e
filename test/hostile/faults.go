package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// faults is what is asked for. Durations are Go's ("200ms"), sizes are bytes, switches are on with any value but 0.
type faults struct {
	slowStart      time.Duration // HOSTILE_SLOW_START: before it listens
	neverReady     bool          // HOSTILE_NEVER_READY: /health is answered with 503
	exitBefore     int           // HOSTILE_EXIT: ends with this status before it listens; -1 is off
	exitAfter      time.Duration // HOSTILE_EXIT_AFTER: ends that long after it began to listen
	dieAfter       int64         // HOSTILE_DIE_AFTER_REQUESTS: ends without an answer at the nth request
	ignoreTerm     bool          // HOSTILE_IGNORE_TERM
	slowStop       time.Duration // HOSTILE_SLOW_STOP: between SIGTERM and the end
	forkAway       int           // HOSTILE_FORK_AWAY: orphans in sessions of their own, deaf to SIGTERM
	forkClean      bool          // HOSTILE_FORK_CLEAN: they have an empty environment
	forkGroup      int           // HOSTILE_FORK_GROUP: children in process groups of their own
	forkStorm      int           // HOSTILE_FORK_STORM: so many processes, each in a session of its own, as fast as it can
	forkChain      bool          // HOSTILE_FORK_CHAIN: one orphan that forks and ends without pause, always another pid
	flood          int64         // HOSTILE_FLOOD: bytes of output before it listens
	longLine       int64         // HOSTILE_LONG_LINE: bytes of one line before it listens
	count          int           // HOSTILE_COUNT: so many numbered lines, ten a millisecond, once it listens
	closeOutput    bool          // HOSTILE_CLOSE_OUTPUT
	doubleBind     bool          // HOSTILE_DOUBLE_BIND: binds its address twice
	claimWorkspace string        // HOSTILE_CLAIM_WORKSPACE: what /health says instead of WORKSPACE
	claimInstance  string        // HOSTILE_CLAIM_INSTANCE: what /health says instead of WORKER_INSTANCE
	holdMemory     int64         // HOSTILE_HOLD_MEMORY
	witness        string        // HOSTILE_WITNESS: a file that gets a line at each start and orderly stop
}

func readFaults() (faults, error) {
	if err := overlay(); err != nil {
		return faults{}, err
	}
	r := reader{}
	f := faults{
		slowStart: r.duration("SLOW_START"), neverReady: r.on("NEVER_READY"), exitBefore: int(r.number("EXIT", -1)),
		exitAfter: r.duration("EXIT_AFTER"), dieAfter: r.number("DIE_AFTER_REQUESTS", 0), ignoreTerm: r.on("IGNORE_TERM"),
		slowStop: r.duration("SLOW_STOP"), forkAway: int(r.number("FORK_AWAY", 0)), forkClean: r.on("FORK_CLEAN"),
		forkGroup: int(r.number("FORK_GROUP", 0)), forkStorm: int(r.number("FORK_STORM", 0)), forkChain: r.on("FORK_CHAIN"),
		flood: r.number("FLOOD", 0), longLine: r.number("LONG_LINE", 0), count: int(r.number("COUNT", 0)), closeOutput: r.on("CLOSE_OUTPUT"),
		doubleBind: r.on("DOUBLE_BIND"), claimWorkspace: os.Getenv("HOSTILE_CLAIM_WORKSPACE"),
		claimInstance: os.Getenv("HOSTILE_CLAIM_INSTANCE"), holdMemory: r.number("HOLD_MEMORY", 0),
		witness: os.Getenv("HOSTILE_WITNESS"),
	}
	return f, r.err
}

// overlay puts the lines of hostile.env into the environment.
func overlay() error {
	text, err := os.ReadFile(filepath.Join(os.Getenv("WORKING_DIR"), "hostile.env"))
	if err != nil {
		return nil //nolint:nilerr // it is seldom there
	}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || !strings.HasPrefix(name, "HOSTILE_") {
			return fmt.Errorf("hostile.env: got %q, want HOSTILE_NAME=value", line)
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

type reader struct{ err error }

func (r *reader) on(name string) bool {
	value := os.Getenv("HOSTILE_" + name)
	return value != "" && value != "0"
}

func (r *reader) number(name string, otherwise int64) int64 {
	value := os.Getenv("HOSTILE_" + name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		r.err = fmt.Errorf("HOSTILE_%s: %w", name, err)
	}
	return n
}

func (r *reader) duration(name string) time.Duration {
	value := os.Getenv("HOSTILE_" + name)
	if value == "" {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		r.err = fmt.Errorf("HOSTILE_%s: %w", name, err)
	}
	return d
}

// beforeReady is what goes wrong before it listens.
func (f faults) beforeReady() {
	if f.closeOutput {
		os.Stdout.Close()
		os.Stderr.Close()
	}
	f.pour()
	f.forks()
	time.Sleep(f.slowStart)
	if f.exitBefore >= 0 {
		fmt.Fprintf(os.Stderr, "hostile: ends with status %d, as asked\n", f.exitBefore)
		os.Exit(f.exitBefore)
	}
}

// afterReady is what goes wrong later.
func (f faults) afterReady() {
	if f.count > 0 {
		go countUp(f.count)
	}
	if f.exitAfter > 0 {
		time.AfterFunc(f.exitAfter, func() { os.Exit(3) })
	}
}

// pour writes more than anybody wants to read.
func (f faults) pour() {
	if f.longLine > 0 {
		fmt.Fprintln(os.Stderr, strings.Repeat("x", int(f.longLine)))
	}
	out := bufio.NewWriterSize(os.Stderr, 64<<10)
	defer out.Flush()
	line := append(bytes.Repeat([]byte("flood "), 20), '\n')
	for written := int64(0); written < f.flood; written += int64(len(line)) {
		if _, err := out.Write(line); err != nil {
			return
		}
	}
}

// countUp writes numbered lines, so that one that is missing shows.
func countUp(to int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 1; i <= to; i++ {
		fmt.Printf("count %d\n", i)
		if i%10 == 0 {
			<-tick.C
		}
	}
}
