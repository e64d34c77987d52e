package proc

import "fmt"

// deepest bounds a walk to the first process. No tree of processes that anybody runs is deeper.
const deepest = 1024

// Descends reports whether a process has the other among its ancestors, or is it. The error says that this cannot be
// told, as where one of them has ended meanwhile.
func Descends(pid, ancestor int) (bool, error) {
	child := Stat{ID: ID{Start: ^uint64(0)}, Parent: pid}
	for range deepest {
		if child.Parent == ancestor {
			return true, nil
		}
		if child.Parent == 0 { // the first process, or one whose parent is outside of this PID namespace
			return false, nil
		}
		parent, err := Read(child.Parent)
		if err != nil {
			return false, err
		}
		if parent.Start > child.Start { // the parent has ended, and another process has its pid
			return false, fmt.Errorf("cannot trace process %d: process %d is younger than its child", pid, parent.PID)
		}
		child = parent
	}
	return false, fmt.Errorf("cannot trace process %d: it has more than %d ancestors", pid, deepest)
}
