package main

import (
	"net/http"
	"runtime/debug"
	"time"
)

// restAfter is how long nothing must have been asked before memory is given back.
const restAfter = 3 * time.Second

// rester gives memory back once requests cease, for a worker is mostly at rest. It has a timer, and no goroutine while
// nothing happens.
type rester struct {
	handler http.Handler
	timer   *time.Timer
}

func newRester(handler http.Handler, release func()) *rester {
	return &rester{handler: handler, timer: time.AfterFunc(restAfter, func() {
		release()
		debug.FreeOSMemory()
	})}
}

// ServeHTTP serves, and begins to wait anew. Being asked for its health does not keep a worker from resting.
func (r *rester) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.handler.ServeHTTP(w, request)
	if request.URL.Path != "/health" {
		r.timer.Reset(restAfter)
	}
}
