package chromium

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Asked is one request of a tab's pages.
type Asked struct {
	Method string
	URL    string
	Status int    // of the answer; 0 while there is none, and where the browser did not let the request out
	Error  string // why there is no answer
}

// String is the request in one line.
func (a Asked) String() string {
	return fmt.Sprintf("%s %s: %d %s", a.Method, a.URL, a.Status, a.Error)
}

// Asked are the requests of the tab's pages so far, in their order; each step of a redirection is one.
func (t *Tab) Asked() []Asked {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Asked, 0, len(t.order))
	for _, a := range t.order {
		list = append(list, *a)
	}
	return list
}

// Answered waits until the tab's pages have an answer with status 200 to a request for this path, and have drawn what
// they make of it.
func (t *Tab) Answered(tb testing.TB, path string) {
	tb.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !slices.ContainsFunc(t.Asked(), func(a Asked) bool { return strings.HasSuffix(a.URL, path) && a.Status == 200 }) {
		select {
		case <-again.C:
		case <-deadline:
			tb.Fatalf("waited in vain for an answer to %s: %v", path, t.Asked())
		}
	}
	t.Eval(tb, `new Promise(drawn => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))), 100))`, nil)
}

// Errors are the exceptions that the tab's pages did not catch.
func (t *Tab) Errors() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.errors...)
}

// event holds what is of interest of those that are listened to.
type event struct {
	ID      string `json:"requestId"`
	Request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	} `json:"request"`
	Redirect *answered `json:"redirectResponse"`
	Response *answered `json:"response"`
	Error    string    `json:"errorText"`

	Exception struct {
		Text      string `json:"text"`
		Exception struct {
			Description string `json:"description"`
		} `json:"exception"`
	} `json:"exceptionDetails"`
}

type answered struct {
	Status int `json:"status"`
}

// hear keeps what the browser tells of the tab.
func (t *Tab) hear(method string, params json.RawMessage) {
	var e event
	if json.Unmarshal(params, &e) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.asked[e.ID]
	switch method {
	case "Network.requestWillBeSent":
		if known != nil && e.Redirect != nil {
			known.Status = e.Redirect.Status
		}
		t.asked[e.ID] = &Asked{Method: e.Request.Method, URL: e.Request.URL}
		t.order = append(t.order, t.asked[e.ID])
	case "Network.responseReceived":
		if known != nil && e.Response != nil {
			known.Status = e.Response.Status
		}
	case "Network.loadingFailed":
		if known != nil {
			known.Error = e.Error
		}
	case "Runtime.exceptionThrown":
		t.errors = append(t.errors, e.Exception.Text+" "+e.Exception.Exception.Description)
	}
}
