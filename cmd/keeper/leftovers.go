package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
)

// succeed ends what an earlier keeper of this data directory left, and gives what is to be said of it. The earlier keeper
// is dead, or its lock would not have been free; the kernel has killed the root processes with it, but not their
// descendants.
func (h *holder) succeed() (hello keeper.Hello, err error) {
	records, err := readRecords(h.data)
	if err != nil {
		return hello, err
	}
	for launch, r := range records {
		if r.Boot != h.boot { // the machine has been started since: nothing runs any more, and the pid says nothing
			r.PID, r.Start, r.Group = 0, 0, ""
			records[launch] = r
		}
	}
	groups, err := h.leftGroups(records)
	if err != nil {
		return hello, err
	}
	found, left, err := h.reapLeftovers(records, groups)
	if err != nil {
		return hello, err
	}
	hello = h.greeting()
	for _, launch := range slices.Sorted(maps.Keys(found)) {
		r := records[launch]
		reaped := keeper.Reaped{Launch: launch, Generation: r.Generation, Workspace: r.Workspace}
		for id := range found[launch] {
			reaped.PIDs = append(reaped.PIDs, id.PID)
		}
		slices.Sort(reaped.PIDs)
		if len(left[launch]) > 0 {
			reaped.Left = true
			if err := h.inherit(r); err != nil {
				return hello, err
			}
		}
		h.log.Printf("launch %s of %q was left by an earlier keeper; killed %v, left %v", launch, r.Workspace, reaped.PIDs, reaped.Left)
		hello.Reaped = append(hello.Reaped, reaped)
	}
	h.clear()
	h.clearGroups(groups)
	return hello, nil
}

// reapLeftovers kills all processes of this data directory's launches until none is found twice in a row, or until the
// patience is at its end and each that is left has a record by which its generation can be kept locked. A process that
// no record names must go: its generation is not known, so that nothing could be started safely.
func (h *holder) reapLeftovers(records map[string]record, groups map[string]cgroup.Group) (found map[string]map[proc.ID]struct{}, left map[string][]proc.Stat, err error) {
	found = map[string]map[proc.ID]struct{}{}
	scope := proc.Scope{Data: h.id, Everything: true}
	for launch, r := range records {
		found[launch] = map[proc.ID]struct{}{}
		scope.Roots = append(scope.Roots, proc.Root{Launch: launch, ID: r.id()})
	}
	deadline := h.now().Add(killPatience)
	pause := firstPause
	for clean := 0; ; {
		census, err := h.system.census(scope)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot look for leftovers: %w", err)
		}
		addGroups(&census, groups)
		h.killLeftovers(census, found)
		if clean++; len(census.Members) > 0 {
			clean = 0
		}
		if clean >= cleanNeeded || h.ending {
			return found, nil, nil
		}
		if h.now().After(deadline) && allRecorded(census, records) {
			return found, census.Members, nil
		}
		h.pause(pause)
		pause = min(2*pause, lastPause)
	}
}

func (h *holder) killLeftovers(census proc.Census, found map[string]map[proc.ID]struct{}) {
	for launch, members := range census.Members {
		if found[launch] == nil {
			found[launch] = map[proc.ID]struct{}{}
		}
		for _, member := range members {
			if member.Start == 0 {
				continue
			}
			found[launch][member.ID] = struct{}{}
			if err := h.system.signal(member.ID, unix.SIGKILL); err != nil {
				h.log.Print(err)
			}
		}
	}
}

func allRecorded(census proc.Census, records map[string]record) bool {
	for launch := range census.Members {
		if records[launch].Generation == "" {
			return false
		}
	}
	return true
}

// pause lets others have their say meanwhile: a router that goes away ends the wait.
func (h *holder) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case work := <-h.work:
			work()
		}
	}
}

// inherit takes a launch of an earlier keeper into the table as one that is being killed and past its deadline.
func (h *holder) inherit(r record) error {
	lock, err := h.storage.lock(h.data.GenerationLock(r.Generation))
	if err != nil {
		return err
	}
	l := &launch{
		start: keeper.Start{Launch: r.Launch, Generation: r.Generation, Workspace: r.Workspace, Nonce: r.Nonce},
		lock:  lock, phase: killing, settled: true, stuck: true, asked: true,
		gone: make(chan struct{}), killed: map[proc.ID]struct{}{}, group: cgroup.Group{Path: r.Group},
	}
	h.launches[r.Launch] = l
	h.lookAround(stuckPause)
	return nil
}

// clear removes the run directories and records of launches that are gone.
func (h *holder) clear() {
	entries, err := os.ReadDir(h.data.Run())
	if err != nil {
		h.log.Printf("cannot clear the run directory: %v", err)
		return
	}
	for _, entry := range entries {
		launch := entry.Name()
		if !keeper.ValidLaunch(launch) || !entry.IsDir() || h.launches[launch] != nil {
			continue
		}
		if err := h.storage.clear(h.data.RunDir(launch)); err != nil {
			h.log.Printf("cannot clear the run directory: %v", err)
		}
	}
	records, err := os.ReadDir(h.data.Records())
	if err != nil {
		h.log.Printf("cannot clear the launch records: %v", err)
		return
	}
	for _, entry := range records {
		if launch := entry.Name()[:min(len(entry.Name()), 8)]; h.launches[launch] == nil {
			os.Remove(h.data.Records() + "/" + entry.Name())
		}
	}
}
