package proxy

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

// echo answers with what the worker saw.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, body)
}

func TestChain_ForwardsWholeAndUnchanged(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	got := r.do(http.MethodPost, "/w/alpha/query?a=1&b=%zz;c&&", nil, "body")
	if want := "POST /query?a=1&b=%zz;c&& body"; got.status != http.StatusOK || got.body != want {
		t.Errorf("got %d %q, want 200 %q", got.status, got.body, want)
	}
	if of := got.header.Get("Worker-Of"); of != "gen-alpha" {
		t.Errorf("the worker of %q answered, want gen-alpha's", of)
	}
	if name := got.header.Get("LIGHTRAG-WORKSPACE"); name != "alpha" {
		t.Errorf("the answer is of workspace %q, want alpha", name)
	}
	r.settled()
}
