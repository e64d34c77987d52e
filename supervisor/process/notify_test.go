package process

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

func notifies(k *kind.Kind) { k.Ready.Notify = true }

// A worker's word is what its proof waits for: here nothing else would begin it.
func TestS7_ReadinessIsPushed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.untold = time.Hour
	var p phases
	w, err := r.Start(r.context(), newSpec(t, "alpha", notifies, set("HOSTILE_NOTIFY=STATUS=loads;READY=1")), p.report)
	if err != nil {
		t.Fatal(err)
	}
	want := []supervisor.Phase{supervisor.PhaseLocked, supervisor.PhaseSpawned, supervisor.PhaseReady, supervisor.PhaseProven}
	if diff := cmp.Diff(want, p.list); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if status := w.(*worker).notify.last(); status != "loads" {
		t.Errorf("got the status %q", status)
	}
}

// What a worker says about itself is no proof, whoever sends it.
func TestS7_WordIsNoProof(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*kind.Kind)
		cause  supervisor.Cause
		says   string
	}{
		"another's identity": {set("HOSTILE_NOTIFY=READY=1", "HOSTILE_CLAIM_INSTANCE=other"), supervisor.CauseWrongIdentity, "/instance"},
		"not yet": {
			both(set("HOSTILE_NOTIFY=STATUS=nearly there;READY=1", "HOSTILE_NEVER_READY=1"), readyWithin(300*time.Millisecond)),
			supervisor.CauseNeverReady, `it said "nearly there"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.untold = time.Hour
			failed := r.fail(newSpec(t, "alpha", notifies, tc.change))
			if failed.Cause != tc.cause || !strings.Contains(failed.Error(), tc.says) {
				t.Errorf("got %v, want the cause %q and %q", failed, tc.cause, tc.says)
			}
		})
	}
}

// A worker that does not say what its kind promises is probed all the same.
func TestStart_ProbesWithoutAWord(t *testing.T) {
	t.Parallel()
	newRig(t).start(newSpec(t, "alpha", notifies))
}

// Only the launch's own processes are listened to.
func TestNotify_PassesOverStrangers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(newSpec(t, "alpha", notifies, set("HOSTILE_NOTIFY=STATUS=mine;READY=1"))).(*worker)
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: filepath.Join(w.values.run, notifyName)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// More than are read in a second: the last can only be sent when those before it were taken in.
	for range 2 * notifyBurst {
		if _, err := conn.Write([]byte("STATUS=a stranger's")); err != nil {
			t.Fatal(err)
		}
	}
	if status := w.notify.last(); status != "mine" {
		t.Errorf("got the status %q", status)
	}
}

// A worker that talks without end waits for the router, not the other way round.
func TestNotify_FloodHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	began := time.Now()
	w := r.start(newSpec(t, "alpha", notifies, set("HOSTILE_NOTIFY=READY=1;STATUS=", "HOSTILE_NOTIFY_FLOOD=1")))
	r.start(newSpec(t, "beta", notifies, set("HOSTILE_NOTIFY=READY=1")))
	r.stop(w, false)
	took := time.Since(began)
	if said := r.logs.FilterMessage("a worker says how it is").Len(); said > 1+int(took/notifyPace) {
		t.Errorf("it has said %d lines into the log in %v", said, took)
	}
}

func TestNotified_ReplacesTheRoutersOwn(t *testing.T) {
	t.Parallel()
	router := []string{"A=1", "NOTIFY_SOCKET=/run/systemd/notify", "Z=2"}
	for socket, want := range map[string][]string{"": {"A=1", "Z=2"}, "/n": {"A=1", "Z=2", "NOTIFY_SOCKET=/n"}} {
		if diff := cmp.Diff(want, notified(append([]string(nil), router...), socket)); diff != "" {
			t.Errorf("socket %q (-want +got):\n%s", socket, diff)
		}
	}
}

func TestParseWord(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", statusWidth)
	for text, want := range map[string]word{
		"":                                      {},
		"READY=1":                               {ready: true},
		"READY=0\nREADY":                        {},
		"STATUS=a b=c\nREADY=1\n":               {ready: true, status: "a b=c"},
		"STOPPING=1\nWATCHDOG=1\nX":             {stopping: true},
		"STATUS=\x1b[2Jred\xff\u202e\r\n":       {status: "[2Jred"},
		"STATUS=" + long:                        {status: long[:statusWidth]},
		"EXTEND_TIMEOUT_USEC=2500000":           {extend: 2500 * time.Millisecond},
		"EXTEND_TIMEOUT_USEC=-1":                {},
		"EXTEND_TIMEOUT_USEC=99999999999999999": {extend: 1 << 40 * time.Microsecond},
		"EXTEND_TIMEOUT_USEC=many":              {},
	} {
		if got := parseWord([]byte(text)); got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}
