package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper/sandbox"
)

// surroundings is what Find goes by; tests have their own.
type surroundings struct {
	own    string // the text of /proc/self/cgroup
	mounts string // the text of /proc/self/mountinfo
	uid    int
	marked func(path string) bool // the service manager says that the group was delegated
	owner  func(path string) (uid int, err error)
	writes func(path string) error // whether groups may be made in it
}

// Find gives the group below which launches get theirs, by a setting: Auto, or the absolute path of a group, which is
// made if it is not there. The error says why there is none. Nothing else is changed.
func Find(setting string) (*Base, error) {
	if setting == Off {
		return nil, errors.New("switched off by isolation.cgroup")
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("cannot tell this process's control group: %w", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot tell where control groups are: %w", err)
	}
	s := surroundings{own: string(own), mounts: string(mounts), uid: os.Geteuid(), marked: marked, owner: owner, writes: writes}
	if setting != Auto {
		return s.named(setting)
	}
	return s.delegated()
}

// Offer says what launches would get by a setting. It changes nothing, but for a named group that is not there.
func Offer(setting string) sandbox.Result {
	base, err := Find(setting)
	if err != nil {
		return Without(err.Error()).Held
	}
	return base.offer()
}

func (b *Base) offer() (held sandbox.Result) {
	held.Means = []string{MeansGroup}
	available := strings.Fields(b.read("cgroup.controllers"))
	for _, limit := range (Limits{Memory: 1, Processes: 1}).list() {
		if slices.Contains(available, limit.controller) {
			held.Means = append(held.Means, limit.means)
		} else {
			held.Missing = append(held.Missing, fmt.Sprintf("%s (%s)", limit.means, b.without(limit.controller)))
		}
	}
	return held
}

// without says that the group has no such controller.
func (b *Base) without(controller string) string {
	return fmt.Sprintf("the control group %q has no controller %q: switch it on in cgroup.subtree_control of the one above", b.Path, controller)
}

// delegated gives this process's own group, where somebody with more rights has left it to this user.
func (s surroundings) delegated() (*Base, error) {
	path, mount, err := s.path()
	if err != nil {
		return nil, err
	}
	if leaf := filepath.Base(path); path != mount && (leaf == LeafRouter || leaf == LeafKeeper || leaf == leafControl) {
		path = filepath.Dir(path)
	}
	if !s.marked(path) && !s.boundary(path) && !s.rootOfNamespace(path, mount) {
		return nil, fmt.Errorf("the control group %q is not delegated: set Delegate=yes in the unit, or name another by isolation.cgroup", path)
	}
	return s.base(path, true)
}

// named gives the group that the operator has named.
func (s surroundings) named(path string) (*Base, error) {
	own, mount, err := s.path()
	if err != nil {
		return nil, err
	}
	path = filepath.Clean(path)
	if within, err := filepath.Rel(mount, path); err != nil || !filepath.IsLocal(within) {
		return nil, fmt.Errorf("%q is no control group: those of version 2 are below %q", path, mount)
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cannot make the control group: %w", err)
	}
	return s.base(path, own == path || filepath.Dir(own) == path)
}

func (s surroundings) base(path string, own bool) (*Base, error) {
	if err := s.writes(path); err != nil {
		return nil, fmt.Errorf("cannot make groups in %q: %w", path, err)
	}
	return &Base{Path: path, Own: own}, nil
}

// path gives where this process's group is, and where the hierarchy of version 2 is mounted.
func (s surroundings) path() (path, mount string, err error) {
	root, mount := "", ""
	for line := range strings.Lines(s.mounts) {
		// 30 25 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); len(fields) >= 5 && strings.HasPrefix(after, "cgroup2 ") {
			root, mount = fields[3], fields[4]
			break
		}
	}
	if mount == "" {
		return "", "", errors.New("there are no control groups of version 2 here")
	}
	for line := range strings.Lines(s.own) {
		group, found := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !found {
			continue
		}
		below, err := filepath.Rel(root, group)
		if err != nil || !filepath.IsLocal(below) {
			return "", "", fmt.Errorf("this process's control group, %q, cannot be seen here", group)
		}
		return filepath.Join(mount, below), mount, nil
	}
	return "", "", errors.New("this process has no control group of version 2")
}

// boundary reports whether the group is this user's and the one above it is not: somebody with more rights gave it.
func (s surroundings) boundary(path string) bool {
	mine, err := s.owner(path)
	above, errAbove := s.owner(filepath.Dir(path))
	return s.uid != 0 && err == nil && errAbove == nil && mine == s.uid && above != s.uid
}

// rootOfNamespace reports whether the group is what a container sees as the root. The real one has no type.
func (s surroundings) rootOfNamespace(path, mount string) bool {
	_, err := os.Stat(filepath.Join(path, "cgroup.type"))
	return path == mount && err == nil
}

// marked looks for the sign that systemd leaves. The second one is for root alone to read, and all that older ones have.
func marked(path string) bool {
	return slices.ContainsFunc([]string{"user.delegate", "trusted.delegate"}, func(name string) bool {
		var value [8]byte
		n, err := unix.Getxattr(path, name, value[:])
		return err == nil && string(value[:n]) == "1"
	})
}

func owner(path string) (uid int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("cannot tell the owner of %q", path)
	}
	return int(stat.Uid), nil
}

func writes(path string) error {
	var system unix.Statfs_t
	if err := unix.Statfs(path, &system); err != nil {
		return err
	}
	if system.Type != unix.CGROUP2_SUPER_MAGIC {
		return errors.New("it is no control group of version 2")
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
}
