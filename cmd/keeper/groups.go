package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/proc"
	"workspace-router/internal/keeper/sandbox"
)

// groups are where launches get control groups. Without a base they get none.
type groups struct {
	Base *cgroup.Base `json:"base,omitempty"`
	Lack string       `json:"lack,omitempty"` // why there is none
}

func findGroups(setting string) groups {
	base, err := cgroup.Find(setting)
	if err != nil {
		return groups{Lack: err.Error()}
	}
	return groups{Base: base}
}

// groupName tells the groups of one data directory from those of another that shares the base.
func groupName(id keeper.DataID, launch string) string { return id.String() + "-" + launch }

func (g groups) make(name string, limits cgroup.Limits) cgroup.Group {
	switch {
	case g.Base != nil:
		return g.Base.Make(name, limits)
	case g.Lack != "":
		return cgroup.Without(g.Lack)
	}
	return cgroup.Group{}
}

// yield makes room for the next router, where its place is the base itself.
func (g groups) yield() {
	if g.Base != nil {
		g.Base.Yield()
	}
}

// proof adds to a means of proof what groups add to it.
func (g groups) proof(means string) string {
	if g.Base != nil {
		means += proofGroup
	}
	return means
}

// openGroups puts the limits in force, for the launches that there are as well.
func (h *holder) openGroups() {
	if h.groups.Base == nil {
		return
	}
	h.groups.Base.Open()
	for controller, why := range h.groups.Base.Lacks {
		h.log.Printf("control groups without %s: %s", controller, why)
	}
	for _, l := range h.launches {
		if l.group.Path != "" {
			l.group.Held = h.groups.Base.Limit(l.group, l.start.Limits)
		}
	}
}

// withGroup adds what a group gives to what else holds a launch.
func withGroup(held sandbox.Result, g cgroup.Group) sandbox.Result {
	if slices.Contains(g.Held.Means, sandbox.MeansCount) { // in the namespace or in the group, it is the same limit
		isCount := func(s string) bool { return s == sandbox.MeansCount || strings.HasPrefix(s, sandbox.MeansCount+" (") }
		held.Means = slices.DeleteFunc(slices.Clone(held.Means), isCount)
		held.Missing = slices.DeleteFunc(slices.Clone(held.Missing), isCount)
	}
	missing := g.Held.Missing
	if slices.Contains(held.Means, sandbox.MeansCount) {
		missing = slices.DeleteFunc(slices.Clone(missing), func(s string) bool { return strings.HasPrefix(s, sandbox.MeansCount+" (") })
	}
	held.Means = append(held.Means, g.Held.Means...)
	held.Missing = append(held.Missing, missing...)
	return held
}

// orOutside forks into a group or, where the kernel or a container's filter forbids that, outside of it.
func orOutside(group cgroup.Group, fork func(group *os.File) (forked, error)) (forked, error) {
	if group.Path == "" {
		return fork(nil)
	}
	dir, err := group.Open()
	if err == nil {
		defer dir.Close()
		var f forked
		if f, err = fork(dir); err == nil {
			return f, nil
		}
	}
	f, again := fork(nil)
	f.outside = err
	return f, again
}

// killGroup kills all that is in a launch's group, however it came there. Where the kernel cannot do so in one step,
// the census does it one by one.
func (h *holder) killGroup(l *launch) {
	if l.group.Path == "" {
		return
	}
	l.swept = max(l.swept, len(l.group.PIDs()))
	if err := l.group.Kill(); err != nil {
		h.log.Printf("launch %s: cannot kill its control group: %v", l.start.Launch, err)
	}
}

func (h *holder) removeGroup(l *launch) {
	if err := l.group.Remove(); err != nil {
		h.log.Printf("launch %s: %v", l.start.Launch, err)
	}
}

// addGroups adds to a census what lives in the groups of launches, and kills it: these are launches of which nothing is
// to live. A process can shed every other sign of where it belongs.
func addGroups(census *proc.Census, groups map[string]cgroup.Group) {
	for launch, group := range groups {
		if !group.Populated() {
			continue
		}
		members := census.Members[launch]
		known := len(members)
		for _, pid := range group.PIDs() {
			if slices.ContainsFunc(members, func(s proc.Stat) bool { return s.PID == pid }) {
				continue
			}
			stat, err := proc.Read(pid)
			if err != nil {
				stat = proc.Stat{ID: proc.ID{PID: pid}} // it is there, or was just now
			}
			members = append(members, stat)
		}
		if known == 0 && len(members) == 0 {
			members = append(members, proc.Stat{}) // somebody is, and is not seen
		}
		if census.Members == nil {
			census.Members = map[string][]proc.Stat{}
		}
		census.Members[launch] = members
		_ = group.Kill() // the next census tells whether it helped
	}
}

// leftGroups gives the groups that launches of an earlier keeper have left: in the base, and where records say.
func (h *holder) leftGroups(records map[string]record) (map[string]cgroup.Group, error) {
	left := map[string]cgroup.Group{}
	for launch, r := range records {
		if filepath.Base(r.Group) == groupName(h.id, launch) {
			left[launch] = cgroup.Group{Path: r.Group}
		}
	}
	if h.groups.Base == nil {
		return left, nil
	}
	prefix := groupName(h.id, "")
	names, err := h.groups.Base.Left(prefix)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		launch := strings.TrimPrefix(name, prefix)
		left[launch] = cgroup.Group{Path: filepath.Join(h.groups.Base.Path, name)}
	}
	return left, nil
}

// clearGroups removes the groups of launches that are gone.
func (h *holder) clearGroups(groups map[string]cgroup.Group) {
	for launch, group := range groups {
		if h.launches[launch] != nil {
			continue
		}
		if err := group.Remove(); err != nil {
			h.log.Print(err)
		}
	}
}

// yield makes room in the group that was delegated to this process's unit, for a router that is about to be started: by a
// keeper that was killed the controllers may be on still. It is for ExecStopPost, and its failure for nobody.
func yield(arguments []string) int {
	if len(arguments) > 0 {
		fmt.Fprintln(os.Stderr, "keeper yield: there are no arguments")
		return exitUsage
	}
	base, err := cgroup.Find(cgroup.Auto)
	if err != nil {
		fmt.Fprintln(os.Stderr, "keeper yield:", err)
		return 0
	}
	base.Clear()
	return 0
}
