package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

// By what a launch is known to be gone: two censuses in a row, both begun after the root process was reaped, that find no
// process of it; or that the first process of its PID namespace was reaped, which the kernel holds back until there is
// no other left in it.
const (
	proof          = "sweep"
	proofContained = "pidns"
	// proofGroup is added where the launch had a control group, and that was empty, too.
	proofGroup = "+cgroup"
)

// cleanNeeded is how many censuses in a row must find nothing. One could miss a process whose pid was given out behind
// the reader's back, just before its parent ended ahead of it.
const cleanNeeded = 2

// finishPatience bounds how long a launch that is gone waits for the end of its output.
const finishPatience = time.Second

// stopCommand carries out a router's stop.
func (h *holder) stopCommand(c keeper.Stop, nonce string) {
	l := h.launches[c.Launch]
	if l == nil || l.start.Nonce != nonce {
		h.tell(keeper.Start{Nonce: nonce}, keeper.Message{Gone: &keeper.Gone{
			Launch: c.Launch, Status: keeper.Status{Code: -1, At: h.now()}, Asked: true, Proof: proof,
		}})
		return
	}
	if l.stuck { // whoever asks again is answered again
		h.tell(l.start, keeper.Message{NotGone: &keeper.NotGone{Launch: c.Launch}})
		return
	}
	if !c.Force && !h.mayStop(l) {
		l.waits = true
		return
	}
	h.stop(l, c.Force)
}

// stop brings a launch one step further on its way out, or with force to SIGKILL.
func (h *holder) stop(l *launch, force bool) {
	if l.phase >= killing {
		return
	}
	l.asked = true
	if force || l.start.Grace == 0 {
		h.kill(l)
		return
	}
	if l.phase == stopping {
		return
	}
	l.phase, l.deadline = stopping, h.now().Add(l.start.Grace)
	if err := h.system.signal(l.root, unix.Signal(l.start.Signal)); err != nil {
		h.log.Printf("launch %s: %v", l.start.Launch, err)
	}
	h.awaitGrace(l)
}

// awaitGrace kills what has not ended by the deadline of its stop.
func (h *holder) awaitGrace(l *launch) {
	h.after(l, l.deadline.Sub(h.now()), func() {
		if l.phase == stopping {
			h.kill(l)
		}
	})
}

// after has the owner do something later, unless the launch's row is gone by then.
func (h *holder) after(l *launch, d time.Duration, work func()) {
	timer := time.NewTimer(d)
	h.crew.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C:
			h.post(func() {
				if h.launches[l.start.Launch] == l {
					work()
				}
			})
		case <-l.gone:
		case <-h.quit:
		}
	})
}

// kill ends all that lives of a launch and has it looked for until nothing does.
func (h *holder) kill(l *launch) {
	l.phase = killing
	l.deadline = h.now().Add(killPatience)
	if l.exit == nil && l.root.PID != 0 {
		h.system.group(l.root.PID)
		l.killed[l.root] = struct{}{}
	}
	h.killGroup(l)
	if !l.contained {
		h.lookAround(0)
		return
	}
	h.awaitContained(l)
}

// awaitContained looks for what is left of a launch after its deadline. Before that nothing needs to be looked for.
func (h *holder) awaitContained(l *launch) {
	h.after(l, l.deadline.Sub(h.now()), func() {
		if l.phase == killing {
			h.lookAround(0)
		}
	})
}

// reap takes note of every child that has ended. An orphan that has just died had a life that a census may have missed,
// and perhaps a child: what was seen of its launch until now proves nothing. A process that forks and ends without pause
// passes through here at each step.
func (h *holder) reap() {
	for {
		dead, found := h.system.wait(h.id)
		if !found {
			return
		}
		l := h.roots[dead.pid]
		if l == nil {
			if l = h.launches[dead.launch]; l != nil {
				l.clean = 0
				l.epoch++
			}
			continue
		}
		delete(h.roots, dead.pid)
		l.exit = describe(dead.status, h.now())
		if l.silent {
			h.rootGone(l)
		}
	}
}

func describe(status unix.WaitStatus, at time.Time) *keeper.Status {
	if status.Signaled() {
		return &keeper.Status{Code: -1, Signal: unix.SignalName(status.Signal()), At: at}
	}
	return &keeper.Status{Code: status.ExitStatus(), At: at}
}

// rootGone follows the end of a root process. What it left running has no one to serve and is killed.
func (h *holder) rootGone(l *launch) {
	if l.refused != nil {
		h.finish(l)
		return
	}
	if l.ended != nil {
		l.exit = l.ended
	}
	l.exit.OutOfMemory = l.exit.Signal == unix.SignalName(unix.SIGKILL) && l.group.OutOfMemory()
	h.tell(l.start, keeper.Message{Exited: &keeper.Exited{Launch: l.start.Launch, Status: *l.exit}})
	if l.contained && !l.group.Populated() {
		h.finish(l)
		return
	}
	l.contained = false // what is in its group has come there from outside of the namespace, and is looked for
	if l.phase < killing {
		h.kill(l)
		return
	}
	h.lookAround(0)
}

// judge draws the conclusion of one census for one launch.
func (h *holder) judge(l *launch, members []proc.Stat) {
	for _, member := range members {
		if member.Start != 0 {
			l.killed[member.ID] = struct{}{}
		}
	}
	if len(members) > 0 {
		l.clean = 0
	} else {
		l.clean++
	}
	if l.clean >= cleanNeeded {
		h.finish(l)
	}
}

// despair tells the router, once, that a launch is not proven gone in time. The lock stays held and the search goes on.
func (h *holder) despair(l *launch, members []proc.Stat) {
	if l.stuck || l.clean > 0 || h.now().Before(l.deadline) {
		return
	}
	l.stuck = true
	pids := make([]int, len(members))
	for i, member := range members {
		pids[i] = member.PID
	}
	h.log.Printf("launch %s of %s is not gone %v after SIGKILL: %v", l.start.Launch, l.start.Workspace, killPatience, pids)
	h.tell(l.start, keeper.Message{NotGone: &keeper.NotGone{Launch: l.start.Launch, PIDs: pids}})
}

// finish waits for the output's end, which is near as nobody is left to write, and removes the run directory.
func (h *holder) finish(l *launch) {
	l.phase = finishing
	h.crew.Go(func() {
		if l.output != nil {
			l.output.close(finishPatience)
		}
		if err := h.storage.clear(h.data.RunDir(l.start.Launch)); err != nil {
			h.log.Printf("launch %s: cannot remove the run directory: %v", l.start.Launch, err)
		}
		h.removeGroup(l)
		h.post(func() { h.release(l) })
	})
}

func (l *launch) proof() string {
	means := proof
	if l.contained {
		means = proofContained
	}
	if l.group.Path != "" {
		means += proofGroup
	}
	return means
}

// release strikes a launch off the table: record, lock, and the last word on it, in this order.
func (h *holder) release(l *launch) {
	id := l.start.Launch
	os.Remove(h.data.Record(id))
	l.lock.Close()
	l.disconnect()
	delete(h.launches, id)
	close(l.gone)
	if l.refused != nil {
		h.tell(l.start, keeper.Message{Refused: l.refused})
		return
	}
	gone := keeper.Gone{Launch: id, Asked: l.asked, Proof: l.proof(), Killed: max(len(l.killed), l.swept), Status: keeper.Status{Code: -1, At: h.now()}}
	if l.exit != nil {
		gone.Status = *l.exit
	}
	if l.output != nil {
		gone.LastLog = l.output.last()
	}
	h.tell(l.start, keeper.Message{Gone: &gone})
	h.miss(l, gone)
}
