package supervisor

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"workspace-router/internal/workspace"
)

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestLease_EndsWithItsWorker(t *testing.T) {
	t.Parallel()
	bubble(t, testConfig(2), func(b *bench) {
		asked, called, released := b.get("a"), b.get("a"), b.get("a")
		ended := asked.Ended()
		told := 0
		called.OnEnded(func() { told += 100 })
		called.OnEnded(func() { told++ })
		released.OnEnded(func() { t.Error("a lease was told after its release") })
		released.Release()
		if closed(ended) || told != 0 {
			t.Error("the leases ended before their worker")
		}
		b.driver.worker("a").die()
		synctest.Wait()
		if !closed(ended) || !closed(called.Ended()) || told != 1 {
			t.Errorf("ended: %v, %v, told: %d; want both, and once", closed(ended), closed(called.Ended()), told)
		}
		called.OnEnded(func() { told++ })
		if told != 2 {
			t.Error("who asks after the end was not told at once")
		}
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://worker/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = asked.Upstream().RoundTrip(request)
		var over *EndedError
		if !errors.As(err, &over) || !over.NothingSent() || !errors.Is(err, workspace.ErrWorkerDied) {
			t.Errorf("S7: got %v, want that nothing was sent to a launch that has ended", err)
		}
		asked.Release()
		called.Release()
		next := b.get("a")
		if closed(next.Ended()) || next.Launch() == asked.Launch() {
			t.Error("the next launch's lease is that of the last")
		}
		next.Release()
	})
}

func TestPool_CutEndsOnlyWhatMatches(t *testing.T) {
	t.Parallel()
	take := func(b *bench, name, principal string) *Lease {
		lease, err := b.pool.Acquire(context.Background(), refOf(name), Wish{Principal: principal})
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	tests := map[string]struct {
		filter Filter
		want   [3]bool
	}{
		"nothing":                    {Filter{}, [3]bool{}},
		"a principal":                {Filter{Principal: "key:1"}, [3]bool{true, false, true}},
		"a workspace":                {Filter{Generation: refOf("a").Generation}, [3]bool{true, true, false}},
		"a principal in a workspace": {Filter{Generation: refOf("a").Generation, Principal: "key:1"}, [3]bool{true, false, false}},
		"a tenant":                   {Filter{Tenant: "default"}, [3]bool{true, true, true}},
		"another tenant's principal": {Filter{Tenant: "acme", Principal: "key:1"}, [3]bool{}},
		"an unknown workspace":       {Filter{Generation: "x"}, [3]bool{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, testConfig(3), func(b *bench) {
				leases := [3]*Lease{take(b, "a", "key:1"), take(b, "a", "key:2"), take(b, "b", "key:1")}
				count := 0
				for _, cut := range test.want {
					if cut {
						count++
					}
				}
				if got := b.pool.Cut(test.filter); got != count {
					t.Errorf("%d leases were cut, want %d", got, count)
				}
				if got := b.pool.Cut(test.filter); got != 0 {
					t.Errorf("%d leases were cut twice", got)
				}
				for i, lease := range leases {
					if closed(lease.Ended()) != test.want[i] {
						t.Errorf("lease %d: ended is %v, want %v", i, !test.want[i], test.want[i])
					}
					lease.Release()
				}
				b.wantState("a", StateReady) // it is the lease that ends, not the worker
			})
		})
	}
}

// TestLeaseSet_Race lets leases come and go while they are cut for good: each is either told or gone.
func TestLeaseSet_Race(t *testing.T) {
	t.Parallel()
	for range 100 {
		var set leaseSet
		var wait sync.WaitGroup
		for i := range 4 {
			wait.Go(func() {
				for n := range 20 {
					lease := &Lease{shard: uint8((i + n) % leaseShards)}
					set.add(lease)
					ended := set.endedOf(lease)
					if n%2 == 0 {
						set.remove(lease)
						continue
					}
					<-ended
					set.remove(lease)
				}
			})
		}
		set.cut(true, everyLease)
		wait.Wait()
		left := 0
		set.each(func(*Lease) bool { left++; return true })
		if left != 0 || set.taken() != 80 {
			t.Fatalf("%d of %d leases are left", left, set.taken())
		}
	}
}

// hijacked is the body of an answer that switched protocols.
type hijacked struct {
	io.Reader
	written strings.Builder
}

func (h *hijacked) Write(p []byte) (int, error) { return h.written.Write(p) }
func (h *hijacked) Close() error                { return nil }

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
func (f transportFunc) CloseIdleConnections()                             {}

func TestLease_UpgradedConnectionStaysWritable(t *testing.T) {
	t.Parallel()
	connection := &hijacked{Reader: strings.NewReader("hello")}
	p := &Pool{}
	l := &launch{pool: p, done: make(chan struct{})}
	l.firstByte.Store(true)
	l.transport = transportFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: connection}, nil
	})
	lease := l.newLease("", true, 0)
	response, err := lease.Upstream().RoundTrip(nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatal("an upgraded connection cannot be written to")
	}
	if _, err := io.WriteString(stream, "to the worker"); err != nil || connection.written.String() != "to the worker" {
		t.Errorf("written was %q: %v", connection.written.String(), err)
	}
	if got, err := io.ReadAll(stream); err != nil || string(got) != "hello" {
		t.Errorf("read was %q: %v", got, err)
	}
}

func TestLease_TwoAnswersDoNotMix(t *testing.T) {
	t.Parallel()
	l := &launch{pool: &Pool{}, done: make(chan struct{})}
	l.firstByte.Store(true)
	bodies := []string{"first", "second"}
	l.transport = transportFunc(func(*http.Request) (*http.Response, error) {
		body := bodies[0]
		bodies = bodies[1:]
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	lease := l.newLease("", true, 0)
	first, _ := lease.Upstream().RoundTrip(nil)
	second, _ := lease.Upstream().RoundTrip(nil)
	a, _ := io.ReadAll(first.Body)
	b, _ := io.ReadAll(second.Body)
	if string(a) != "first" || string(b) != "second" {
		t.Errorf("got %q and %q", a, b)
	}
}
