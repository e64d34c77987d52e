package lightrag

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/testkit"
)

// TestPreload_StartsCostLess starts five servers by fork, after the self-test, and holds them to a part of the processor
// time and memory that an executed one takes. How long it takes by the clock is told, as others may work on the machine.
func TestPreload_StartsCostLess(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest, "ROUTER_KIND_LIGHTRAG_PRELOAD=auto")
	list := testkit.Request{Path: "/graph/label/list"}
	r.must(t, http.StatusOK, "executed", list)
	deadline := time.Now().Add(patience)
	testkit.Eventually(t, "the self-test", func() error {
		for !strings.Contains(r.Output(), "found to be the same as an executed one") {
			if time.Now().After(deadline) || strings.Contains(r.Output(), "cannot preload") {
				return errors.New(r.Output())
			}
			<-time.After(100 * time.Millisecond)
		}
		return nil
	})
	executed, err := proc.Read(r.live(t, "executed").PID)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		name := fmt.Sprintf("forked-%d", n)
		took := took(func() { r.must(t, http.StatusOK, name, list) })
		w := r.live(t, name)
		forked, err := proc.Read(w.PID)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: first answer after %v, processor time %v (executed: %v)", name, took.Round(time.Millisecond), forked.CPU, executed.CPU)
		if forked.CPU > executed.CPU/2 {
			t.Errorf("%s took %v of processor time, executed it is %v", name, forked.CPU, executed.CPU)
		}
	}
	one := r.live(t, "executed").PSS
	for n := range 5 {
		w := r.live(t, fmt.Sprintf("forked-%d", n))
		t.Logf("forked-%d: %d MiB (executed: %d)", n, w.PSS>>20, one>>20)
		if w.PSS > one/2 {
			t.Errorf("forked-%d takes %d MiB, executed it is %d", n, w.PSS>>20, one>>20)
		}
	}
}
