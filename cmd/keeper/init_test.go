package main

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

// A launch with a PID namespace is gone when the first process of it was reaped, without a census; how the program ended
// comes from that process's report, whichever of the two is heard first.
func TestHolder_ContainedIsProvenByItsRoot(t *testing.T) {
	t.Parallel()
	for name, reportFirst := range map[string]bool{"report first": true, "reaped first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, func(s *stage) { s.machine.contain = true })
			s.hello()
			root := s.start("aaaaaaaa", "gen-a")
			report := s.machine.reports["aaaaaaaa"]
			tell := func() {
				if _, err := fmt.Fprintf(report, `{"Ended":%d}`, unix.SIGSEGV); err != nil {
					t.Error(err)
				}
				report.Close()
			}
			if reportFirst {
				tell()
				s.machine.end(root, 139<<8)
			} else {
				s.machine.end(root, 139<<8)
				tell()
			}
			if m := s.next(); m.Exited == nil || m.Exited.Status.Signal != "SIGSEGV" || m.Exited.Status.Code != -1 {
				t.Fatalf("got %+v, want the program's own end", m)
			}
			if m := s.next(); m.Gone == nil || m.Gone.Proof != proofContained || m.Gone.Status.Signal != "SIGSEGV" {
				t.Fatalf("got %+v, want it gone", m)
			}
			// Those that the keeper began with have no root to go by.
			if taken := s.machine.censusesOf("aaaaaaaa"); taken > 0 {
				t.Errorf("%d censuses were taken", taken)
			}
		})
	}
}

// Where that process is the proof, no census stands in for it; nor does one of a launch whose root still has to be heard.
func TestLaunch_Provable(t *testing.T) {
	t.Parallel()
	root := proc.ID{PID: 1000, Start: 1}
	for name, test := range map[string]struct {
		launch launch
		want   bool
	}{
		"lives":                         {launch{root: root}, false},
		"reaped":                        {launch{root: root, exit: &keeper.Status{}, silent: true}, true},
		"reaped, its report to be read": {launch{root: root, exit: &keeper.Status{}}, false},
		"an earlier keeper's":           {launch{}, true},
		"contained":                     {launch{root: root, contained: true}, false},
		"contained, reaped":             {launch{root: root, contained: true, exit: &keeper.Status{}}, false},
	} {
		if got := test.launch.provable(); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
