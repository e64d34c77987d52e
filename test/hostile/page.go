package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// visits are the requests that have reached this worker for its pages, which is how a test learns what got through.
type visits struct {
	mu   sync.Mutex
	list []visit
}

type visit struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Origin string `json:"origin"`
	Cookie string `json:"cookie"`
	Body   string `json:"body"`
}

// page serves whatever it is asked for: ?body=TEXT&type=MEDIA-TYPE&header=NAME:VALUE, the last one any number of times.
// The workspace's name stands in the page's body where none is given.
func (v *visits) page(out http.ResponseWriter, r *http.Request) {
	sent, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return
	}
	v.mu.Lock()
	v.list = append(v.list, visit{r.Method, r.URL.Path, r.Header.Get("Origin"), r.Header.Get("Cookie"), string(sent)})
	v.mu.Unlock()
	query := r.URL.Query()
	out.Header().Set("Content-Type", either(query.Get("type"), "text/html; charset=utf-8"))
	for _, header := range query["header"] {
		name, value, _ := strings.Cut(header, ":")
		out.Header().Add(name, strings.TrimSpace(value))
	}
	io.WriteString(out, either(query.Get("body"), "<!doctype html><title>hostile</title><p id=secret>secret of "+os.Getenv("WORKSPACE")+"</p>"))
}

// seen tells which visits there were.
func (v *visits) seen(out http.ResponseWriter, _ *http.Request) {
	v.mu.Lock()
	list := append([]visit{}, v.list...)
	v.mu.Unlock()
	reply(out, http.StatusOK, list)
}
