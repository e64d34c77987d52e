// Package cgroup makes control groups (version 2) for launches, below a group that was delegated to the keeper: where
// that is, what it may be used for, a group per launch with its limits, and what can be told and done about one. It is
// files alone, uses the standard library and x/sys only, and starts no goroutine. What a machine does not give is named
// in a sandbox.Result, never an error of a launch.
//
// The kernel allows no process in a group that has limits for its children. So those that are in the delegated group
// move into two leaves of it, LeafKeeper and LeafRouter, beside the launches' own.
package cgroup

// The settings beside a path.
const (
	Auto = "auto" // this process's own group, where it was delegated
	Off  = "off"
)

// The names of what groups give, among the means of a launch.
const (
	MeansGroup  = "control group" // all that the launch starts is known by it, killed in one step, and known to be gone
	MeansMemory = "memory limit"
)

// The leaves of the delegated group in which its own processes live.
const (
	LeafKeeper = "keeper"
	LeafRouter = "router"
	// leafControl is where systemd has commands of a unit run that are not its service.
	leafControl = ".control"
)

// The controllers that launches are limited by.
const (
	controllerMemory    = "memory"
	controllerProcesses = "pids"
)

// Limits hold one launch, with all that it starts.
type Limits struct {
	Memory int64 `json:"memory,omitempty"` // bytes that it may take, the pages of files that can be dropped included; 0 is no limit
	// Slow is from how many bytes on it is slowed down, so that the kernel takes pages back first; 0 is never.
	Slow int64 `json:"slow,omitempty"`
	// Unswapped keeps its memory out of the swap: what the limit of memory is then is all that it takes.
	Unswapped bool `json:"unswapped,omitempty"`
	Processes int  `json:"processes,omitempty"` // and threads; 0 is no limit
}
