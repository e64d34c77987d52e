package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// variableUpgrade tells a router that it is to follow another one, and what it was handed: an estate, as JSON.
const variableUpgrade = "WORKSPACE_ROUTER_UPGRADE"

// estate is what a router hands to the one that follows it. The descriptors come in this order from firstGiven on: the
// sockets, the data directory's lock, the pipe on which the old one says that the new one may go ahead, and the pipe on
// which the new one says how far it is.
type estate struct {
	PID     int      `json:"pid"`               // of the router that hands it over
	Sibling bool     `json:"sibling,omitempty"` // the new one is its sibling, not its child
	Sockets []socket `json:"sockets"`
}

// socket is one of the listening sockets.
type socket struct {
	Name    string `json:"name"`
	Setting string `json:"setting,omitempty"` // what it was bound for; blank where the service manager opened it
}

// What a router that follows another says, one line each.
const (
	wordPrepared = "prepared" // all that can be built is built; it waits to go ahead
	wordServing  = "serving"  // it has the workers and takes requests
	wordFailed   = "failed "  // with the cause, on one line
)

// wordGo is what it may go ahead by.
const wordGo = "go\n"

// heirPatience is how long a router that follows another waits to go ahead. The other waits for starts that are under way.
const heirPatience = 2 * time.Minute

// predecessorPatience is how long the next upgrade waits for the end of a router that has hardly left.
const predecessorPatience = time.Second

// heir is this router's part in an upgrade, where another router started it. All methods may be called on nil: then
// there is none.
type heir struct {
	before  int // the pid of the router before
	watch   int // a descriptor of it, where it is this one's sibling; else -1
	sockets given
	lock    *os.File
	ahead   *os.File // says that it may go ahead
	words   *os.File // where it says how far it is

	placed atomic.Bool // this router serves
}

// newHeir takes what the router before handed over; nil where this one follows none.
func newHeir() (*heir, error) {
	text, set := os.LookupEnv(variableUpgrade)
	if !set {
		return nil, nil
	}
	if err := os.Unsetenv(variableUpgrade); err != nil {
		return nil, fmt.Errorf("cannot take %s out of the environment: %w", variableUpgrade, err)
	}
	var e estate
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return nil, fmt.Errorf("cannot understand %s, %q: %w", variableUpgrade, text, err)
	}
	watch, err := e.starter()
	if err != nil {
		return nil, err
	}
	next := firstGiven + len(e.Sockets)
	for descriptor := firstGiven; descriptor < next+3; descriptor++ {
		unix.CloseOnExec(descriptor)
	}
	if err := unix.SetNonblock(next+1, true); err != nil { // so that the wait has an end
		return nil, fmt.Errorf("cannot follow the router before: %w", err)
	}
	h := &heir{before: e.PID, watch: watch, lock: os.NewFile(uintptr(next), "lock"), ahead: os.NewFile(uintptr(next+1), "ahead"), words: os.NewFile(uintptr(next+2), "words")}
	for i, s := range e.Sockets {
		g, err := openGiven(firstGiven+i, s.Name)
		if err != nil {
			h.failed(err)
			return nil, err
		}
		g.setting = s.Setting
		g.bequeath() // until this router serves, they are the other's
		h.sockets = append(h.sockets, g)
	}
	return h, nil
}

// inherited is the data directory's lock.
func (h *heir) inherited() *os.File {
	if h == nil {
		return nil
	}
	return h.lock
}

// prepared says that everything is built, and returns when this router may go ahead.
func (h *heir) prepared(ctx context.Context) error {
	if h == nil {
		return nil
	}
	if err := h.say(wordPrepared); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = h.ahead.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := h.ahead.SetReadDeadline(time.Now().Add(heirPatience)); err != nil {
		return fmt.Errorf("cannot wait for the router before: %w", err)
	}
	line, err := bufio.NewReader(h.ahead).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("cannot follow the router before: %w", context.Cause(ctx))
	case errors.Is(err, io.EOF):
		return errors.New("cannot follow the router before: it has given the upgrade up")
	case err != nil:
		return fmt.Errorf("cannot wait for the router before: %w", err)
	case line != wordGo:
		return fmt.Errorf("cannot understand the router before: it said %q", line)
	}
	return nil
}

// predecessor is the pid of the router before, where that is still there after a moment; 0 where it is gone.
func (h *heir) predecessor(ctx context.Context) int {
	if h == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, predecessorPatience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for h.beforeLives() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return h.before
		}
	}
	return 0
}

// waiting reports whether another router still serves, and takes everything back if this one ends.
func (h *heir) waiting() bool { return h != nil && !h.placed.Load() }

// serving says that this router serves; with that it is the one. A router before that does not hear it any more is gone.
func (h *heir) serving() {
	if h != nil {
		h.placed.Store(true)
		_ = h.say(wordServing)
		h.words.Close()
		h.ahead.Close()
	}
}

// failed says why this router cannot follow, or has ended; where the other one is content or gone, to nobody.
func (h *heir) failed(cause error) {
	if h == nil {
		return
	}
	if text, err := json.Marshal(cause.Error()); err == nil {
		_ = h.say(wordFailed + string(text))
	}
}

func (h *heir) say(word string) error {
	if _, err := h.words.WriteString(word + "\n"); err != nil {
		return fmt.Errorf("cannot tell the router before %q: %w", word, err)
	}
	return nil
}
