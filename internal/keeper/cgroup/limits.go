package cgroup

import (
	"strconv"

	"workspace-router/internal/keeper/sandbox"
)

// limit is one that a launch is to be held to: by which controller, and what is written where.
type limit struct {
	means, controller string
	settings          []setting
}

type setting struct{ file, value string }

// fileSwap is missing where the kernel has no swap, and then nothing needs to be kept from it.
const fileSwap = "memory.swap.max"

func (l Limits) list() (list []limit) {
	if l.Memory > 0 {
		memory := limit{means: MeansMemory, controller: controllerMemory, settings: []setting{
			// A launch is one fate: half of it would neither serve nor end.
			{"memory.oom.group", "1"},
			{"memory.max", strconv.FormatInt(l.Memory, 10)},
		}}
		if l.Slow > 0 {
			memory.settings = append(memory.settings, setting{"memory.high", strconv.FormatInt(l.Slow, 10)})
		}
		if l.Unswapped {
			memory.settings = append(memory.settings, setting{fileSwap, "0"})
		}
		list = append(list, memory)
	}
	if l.Processes > 0 {
		list = append(list, limit{means: sandbox.MeansCount, controller: controllerProcesses, settings: []setting{
			{"pids.max", strconv.Itoa(l.Processes)},
		}})
	}
	return list
}
