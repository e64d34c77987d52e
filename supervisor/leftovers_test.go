package supervisor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"workspace-router/internal/kind"
)

// indexer is the data of one workspace whose worker indexes documents, as far as these tests look at it.
type indexer struct {
	mu          sync.Mutex
	interrupted int
	failed      int
	takes       time.Duration // to work on them
	busyUntil   time.Time
	broken      bool // it does not count
	refuses     bool // to go on
	stubborn    bool // it goes on in vain
	deadly      func()
	told        int
}

func (s *indexer) serve(method, path string) (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	works := time.Now().Before(s.busyUntil)
	if !works && !s.busyUntil.IsZero() && !s.stubborn {
		s.interrupted, s.failed, s.busyUntil = 0, 0, time.Time{}
	}
	switch {
	case path == "/health":
		return http.StatusOK, fmt.Sprintf(`{"pipeline":{"active":%v}}`, works)
	case path == "/counts" && s.broken:
		return http.StatusInternalServerError, "{}"
	case path == "/counts":
		return http.StatusOK, fmt.Sprintf(`{"counts":{"pending":%d,"failed":%d,"processed":7}}`, s.interrupted, s.failed)
	case method == http.MethodPost && path == "/resume" && s.refuses:
		return http.StatusServiceUnavailable, `{"detail":"not now"}`
	case method == http.MethodPost && path == "/resume":
		s.told++
		s.busyUntil = time.Now().Add(s.takes)
		if s.deadly != nil {
			time.AfterFunc(s.takes/2, s.deadly)
		}
		return http.StatusOK, `{"status":"started"}`
	}
	return http.StatusNotFound, "{}"
}

// script is that of a worker over the data.
func (s *indexer) script(policy kind.Resume) script {
	return script{
		start: 10 * time.Millisecond, stop: 10 * time.Millisecond, busy: asking(), serve: s.serve, resume: policy,
		leftovers: &kind.Leftovers{
			Path: "/counts", Interrupted: []string{"/counts/pending", "/counts/parsing"}, Failed: []string{"/counts/failed"},
			Resume: kind.Call{Method: http.MethodPost, Path: "/resume"},
		},
	}
}

func (s *indexer) wasTold() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// told lists the events of leftovers as "type reason count detail".
func (b *bench) toldOfLeftovers() (list []string) {
	for _, e := range b.pool.Events(0) {
		if slices.Contains([]EventType{EventLeftovers, EventResuming, EventResumed}, e.Type) {
			list = append(list, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %d: %s", e.Workspace, e.Type, e.Reason, e.Count, e.Detail)), " "))
		}
	}
	return list
}

func (b *bench) status(name string) Status {
	status, _ := b.pool.Get(context.Background(), refOf(name))
	return status
}

func TestLeftovers_AreShownAndTakenUpByThePolicy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data   *indexer
		policy kind.Resume
		told   int
		left   int
		state  ResumeState
		events []string
	}{
		"nothing left":             {&indexer{}, kind.ResumeAll, 0, 0, "", nil},
		"off":                      {&indexer{interrupted: 3}, kind.ResumeOff, 0, 3, ResumeIsOff, []string{"a leftovers off 3: 3 interrupted, 0 failed"}},
		"no policy":                {&indexer{interrupted: 3}, "", 0, 3, ResumeIsOff, []string{"a leftovers off 3: 3 interrupted, 0 failed"}},
		"pending":                  {&indexer{interrupted: 3, failed: 1}, kind.ResumePending, 1, 0, ResumeIsOver, []string{"a leftovers waiting 3: 3 interrupted, 1 failed", "a resuming 3: 3 interrupted, 1 failed", "a resumed done 0: 0 interrupted, 0 failed"}},
		"pending, failed only":     {&indexer{failed: 2}, kind.ResumePending, 0, 0, "", nil},
		"all, failed only":         {&indexer{failed: 2}, kind.ResumeAll, 1, 0, ResumeIsOver, []string{"a leftovers waiting 0: 0 interrupted, 2 failed", "a resuming 0: 0 interrupted, 2 failed", "a resumed done 0: 0 interrupted, 0 failed"}},
		"it works already":         {&indexer{interrupted: 3, busyUntil: time.Now().AddDate(200, 0, 0)}, kind.ResumeAll, 0, 0, "", nil},
		"it refuses":               {&indexer{interrupted: 3, refuses: true}, kind.ResumePending, 0, 3, ResumeRefused, []string{"a leftovers waiting 3: 3 interrupted, 0 failed", "a resuming 3: 3 interrupted, 0 failed", `a resumed refused 3: workspace "a" answered POST /resume with status 503`}},
		"it goes on in vain":       {&indexer{interrupted: 3, stubborn: true}, kind.ResumePending, 1, 3, ResumeIsOver, []string{"a leftovers waiting 3: 3 interrupted, 0 failed", "a resuming 3: 3 interrupted, 0 failed", "a resumed partly 3: 3 interrupted, 0 failed"}},
		"it gives no usable count": {&indexer{broken: true}, kind.ResumePending, 0, 0, "", []string{`a leftovers unknown 0: workspace "a" answered GET /counts with status 500`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := func() *fakeDriver {
				d := newFakeDriver()
				test.data.takes = time.Minute
				d.set("a", test.data.script(test.policy))
				return d
			}
			bubbleWith(t, testConfig(1), driver, func(b *bench) {
				began := time.Now()
				b.use("a")
				if waited := time.Since(began); waited != 10*time.Millisecond {
					t.Errorf("the first request took %v, want no more than the start", waited)
				}
				pass(5 * time.Minute)
				if got := test.data.wasTold(); got != test.told {
					t.Errorf("it was told %d times to go on, want %d", got, test.told)
				}
				if s := b.status("a"); s.Leftovers != test.left || s.Resume != test.state {
					t.Errorf("shown is %d %q, want %d %q", s.Leftovers, s.Resume, test.left, test.state)
				}
				if got := b.toldOfLeftovers(); !slices.Equal(got, test.events) {
					t.Errorf("got events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.events, "\n"))
				}
				if got := b.pool.Figures(); got.Leftovers != test.left || got.Resuming != 0 {
					t.Errorf("counted are %d, and %d go on, want %d and none", got.Leftovers, got.Resuming, test.left)
				}
			})
		})
	}
}

// TestS2_FewGoOnWithLeftoversAtOnce starts many workers with leftovers and counts those that work at one time.
func TestS2_FewGoOnWithLeftoversAtOnce(t *testing.T) {
	t.Parallel()
	for _, atOnce := range []int{1, 3} {
		all := map[string]*indexer{}
		cfg := testConfig(10)
		cfg.ResumeAtOnce = atOnce
		driver := func() *fakeDriver {
			d := newFakeDriver()
			for i := range 9 {
				name := fmt.Sprintf("w%d", i)
				all[name] = &indexer{interrupted: 1, takes: time.Minute}
				d.set(name, all[name].script(kind.ResumePending))
			}
			return d
		}
		bubbleWith(t, cfg, driver, func(b *bench) {
			for name := range all {
				b.use(name)
			}
			most := 0
			for range 12 * 60 {
				pass(time.Second)
				works := 0
				for _, s := range all {
					s.mu.Lock()
					if time.Now().Before(s.busyUntil) {
						works++
					}
					s.mu.Unlock()
				}
				most = max(most, works)
				if f := b.pool.Figures(); f.Resuming > atOnce {
					t.Fatalf("%d go on at once, want at most %d", f.Resuming, atOnce)
				}
			}
			if most != atOnce {
				t.Errorf("at most %d worked at once, want %d", most, atOnce)
			}
			for name, s := range all {
				if s.wasTold() != 1 {
					t.Errorf("%s was told %d times, want once", name, s.wasTold())
				}
			}
		})
	}
}

// TestS3_LeftoversTakeNobodysRoom has a request wait for the only room: what is left over waits until it was served, and
// a worker that goes on with it is busy like any other.
func TestS3_LeftoversTakeNobodysRoom(t *testing.T) {
	t.Parallel()
	s := &indexer{interrupted: 2, takes: time.Minute}
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.set("a", s.script(kind.ResumePending))
		return d
	}
	bubbleWith(t, testConfig(1), driver, func(b *bench) {
		first := b.ask("a", Wish{})
		pass(time.Millisecond)
		waiting := b.ask("b", Wish{Wait: 5 * time.Second})
		served := <-first
		if served.err != nil {
			t.Fatal(served.err)
		}
		pass(time.Second)
		served.lease.Release()
		o := <-waiting
		if o.err != nil {
			t.Fatalf("it did not get the room: %v", o.err)
		}
		o.lease.Release()
		if s.wasTold() != 0 {
			t.Error("a worker that had to make room was told to go on")
		}
		pass(time.Minute)
		b.use("a")
		pass(10 * time.Second) // it works
		if o := <-b.ask("b", Wish{Wait: time.Second}); o.err == nil {
			o.lease.Release()
			t.Error("a worker that goes on with leftovers was evicted")
		}
		pass(2 * time.Minute)
		b.use("b")
		if s.wasTold() != 1 {
			t.Errorf("it was told %d times, want once", s.wasTold())
		}
	})
}

// TestS5_LeftoversThatKillAreLeftAlone has each worker die over what it goes on with.
func TestS5_LeftoversThatKillAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := &indexer{interrupted: 1, takes: time.Minute}
	driver := func() *fakeDriver {
		d := newFakeDriver()
		s.deadly = func() {
			s.mu.Lock()
			s.busyUntil = time.Time{}
			s.mu.Unlock()
			d.worker("a").die()
		}
		d.set("a", s.script(kind.ResumePending))
		return d
	}
	bubbleWith(t, testConfig(1), driver, func(b *bench) {
		for range 5 {
			b.use("a")
			pass(2 * time.Minute)
		}
		if s.wasTold() != 2 {
			t.Errorf("it was told %d times to go on with what kills it, want twice", s.wasTold())
		}
		if status := b.status("a"); status.Resume != ResumeFatal || status.Leftovers != 1 {
			t.Errorf("shown is %q, %d", status.Resume, status.Leftovers)
		}
		s.mu.Lock()
		s.deadly = nil
		s.mu.Unlock()
		b.pool.Reset(refOf("a"))
		if err := b.pool.Evict(context.Background(), refOf("a"), false); err != nil {
			t.Fatal(err)
		}
		b.use("a")
		pass(5 * time.Minute)
		if status := b.status("a"); s.wasTold() != 3 || status.Resume != ResumeIsOver {
			t.Errorf("after a reset it was told %d times and is %q", s.wasTold(), status.Resume)
		}
	})
}

// TestLeftovers_OfAWorkerThatIsLetGoAreNotTouched ends the pool while workers wait for their turn.
func TestLeftovers_OfAWorkerThatIsLetGoAreNotTouched(t *testing.T) {
	t.Parallel()
	first, second := &indexer{interrupted: 1, takes: time.Hour}, &indexer{interrupted: 1, takes: time.Hour}
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.set("a", first.script(kind.ResumePending))
		d.set("b", second.script(kind.ResumePending))
		return d
	}
	bubbleWith(t, testConfig(2), driver, func(b *bench) {
		b.use("a")
		pass(time.Second)
		b.use("b")
		pass(time.Second)
		b.pool.LetGo()
		b.cancel() // what waits for the end of a's work must not hold up the pool's
		<-b.pool.closed
		if first.wasTold() != 1 || second.wasTold() != 0 {
			t.Errorf("told were a %d and b %d times, want once and never", first.wasTold(), second.wasTold())
		}
	})
}

// TestLeftovers_ThatSomebodyElseTookUpAreNotShown has a user resume by hand.
func TestLeftovers_ThatSomebodyElseTookUpAreNotShown(t *testing.T) {
	t.Parallel()
	s := &indexer{interrupted: 2, takes: time.Minute}
	driver := func() *fakeDriver {
		d := newFakeDriver()
		d.set("a", s.script(kind.ResumeOff))
		return d
	}
	bubbleWith(t, testConfig(1), driver, func(b *bench) {
		b.use("a")
		pass(time.Second)
		s.serve(http.MethodPost, "/resume")
		pass(5 * time.Minute)
		if status := b.status("a"); status.Leftovers != 0 || status.Resume != "" {
			t.Errorf("shown is %d %q, want none", status.Leftovers, status.Resume)
		}
		if f := b.pool.Figures(); f.Leftovers != 0 {
			t.Errorf("counted are %d, want none", f.Leftovers)
		}
	})
}
