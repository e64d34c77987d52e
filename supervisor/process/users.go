package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// FirstUID is the lowest that a range may begin with: those below belong to the machine and to people.
const FirstUID = 1 << 16

// UIDs is a range of numbers of users, and of groups with the same numbers, that nobody else on the machine has. Each
// workspace gets one of them. The zero value is none.
type UIDs struct{ First, Last int }

func (u UIDs) holds(id int) bool { return u.First > 0 && id >= u.First && id <= u.Last }

// enterable lets the users of workspaces pass through a directory without seeing what else is in it.
const enterable = 0o711

// users knows whose each workspace's directory is. The owner of the directory is what says so, also after a restart or
// in a copy; this is what was read of it. It starts nothing.
type users struct {
	given      UIDs
	lacks      string // why this process cannot use them; empty is that it can
	privileged bool   // it runs as root
	workspaces string // the directory of workspaces
	run        string

	mu    sync.Mutex // guards what follows
	read  bool
	names map[int]owner // by user
}

// owner is the name of a workspace's directory.
type owner struct {
	name   string
	chosen bool // by this process; the directory may not be the user's yet
}

func newUsers(given UIDs, data string) *users {
	u := &users{
		given: given, privileged: os.Geteuid() == 0, workspaces: filepath.Join(data, "workspaces"), run: keeper.Data(data).Run(),
		names: map[int]owner{},
	}
	if given.First > 0 {
		u.lacks = mayGive(given)
	}
	return u
}

// settle has a workspace's directory belong to the user that its worker is to run as, and says who that is. Its
// generation's lock is held, so that nothing of it runs.
func (d *Driver) settle(k *kind.Kind, v values, r reach) (sandbox.User, error) {
	u := d.users
	if !u.privileged {
		return sandbox.User{Missing: u.lacks}, nil
	}
	var found unix.Stat_t
	if err := unix.Lstat(v.dir, &found); err != nil {
		return sandbox.User{}, fmt.Errorf("cannot tell whose the directory %q is: %w", v.dir, err)
	}
	if u.given.First == 0 || u.lacks != "" {
		return sandbox.User{Missing: u.lacks}, disown(v.dir, found)
	}
	if err := u.open(); err != nil {
		return sandbox.User{}, err
	}
	id, err := u.choose(filepath.Base(v.dir), ownUser(found))
	if err != nil {
		return sandbox.User{Missing: err.Error()}, disown(v.dir, found)
	}
	if missing := reaches(id, v, r); missing != "" {
		return sandbox.User{Missing: missing}, disown(v.dir, found)
	}
	if err := giveTree(v.dir, id, found); err != nil {
		var unfit *unfitError
		if !errors.As(err, &unfit) || ownUser(found) != 0 {
			// What was its own user's is not started with more rights than that because of what is in it.
			return sandbox.User{}, fmt.Errorf("cannot give the workspace's directory to user %d: %w", id, err)
		}
		return sandbox.User{Missing: unfit.Error()}, nil
	}
	return sandbox.User{ID: id, Processes: k.Isolation.Processes}, nil
}

// ownUser gives the user that a directory was given to; 0 is that it was not.
func ownUser(found unix.Stat_t) int {
	if found.Uid < FirstUID || found.Gid != found.Uid {
		return 0
	}
	return int(found.Uid)
}

// disown notes, by the owner of the directory itself, that not all in it may be its former user's any more: the worker
// that is about to start makes files as root.
func disown(dir string, found unix.Stat_t) error {
	if ownUser(found) == 0 {
		return nil
	}
	if err := os.Lchown(dir, 0, 0); err != nil {
		return fmt.Errorf("cannot take the workspace's directory back: %w", err)
	}
	return nil
}

// open lets users pass to their directories.
func (u *users) open() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.read {
		return nil
	}
	for _, dir := range []string{u.workspaces, u.run} {
		if err := os.MkdirAll(dir, enterable); err != nil {
			return fmt.Errorf("cannot open %q to the users of workspaces: %w", dir, err)
		}
		if err := os.Chmod(dir, enterable); err != nil { //nolint:gosec // as documented
			return fmt.Errorf("cannot open %q to the users of workspaces: %w", dir, err)
		}
	}
	u.read = true
	return u.readLocked()
}

// readLocked takes in the owners of all directories. What was chosen and not given yet stays, if its directory does.
func (u *users) readLocked() error {
	entries, err := os.ReadDir(u.workspaces)
	if err != nil {
		return fmt.Errorf("cannot read whose the workspaces are: %w", err)
	}
	before := u.names
	u.names = make(map[int]owner, len(before))
	there := make(map[string]bool, len(entries))
	for _, entry := range entries {
		there[entry.Name()] = true
		if id := u.ownerOf(entry.Name()); u.given.holds(id) && u.names[id].name == "" { // the first of two keeps it
			u.names[id] = owner{name: entry.Name()}
		}
	}
	for id, o := range before {
		if o.chosen && there[o.name] {
			u.names[id] = o
		}
	}
	return nil
}

// ownerOf gives the user whom a workspace's directory was given to.
func (u *users) ownerOf(name string) int {
	var stat unix.Stat_t
	if err := unix.Lstat(filepath.Join(u.workspaces, name), &stat); err != nil {
		return 0
	}
	return ownUser(stat)
}

// choose gives the user of a workspace: the one that its directory has, unless that is another's too, as in a copy, or
// the first that is free.
func (u *users) choose(name string, has int) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.given.holds(has) && u.mayHaveLocked(name, has) {
		u.names[has] = owner{name: name, chosen: true}
		return has, nil
	}
	for id, o := range u.names {
		if o.name == name && o.chosen { // for a start that did not come to its end
			return id, nil
		}
	}
	id, found := u.freeLocked()
	if !found {
		if err := u.readLocked(); err != nil {
			return 0, err
		}
		if id, found = u.freeLocked(); !found {
			return 0, fmt.Errorf("all of %d to %d are taken", u.given.First, u.given.Last)
		}
	}
	u.names[id] = owner{name: name, chosen: true}
	return id, nil
}

func (u *users) mayHaveLocked(name string, id int) bool {
	other, taken := u.names[id]
	return !taken || other.name == name || !other.chosen && u.ownerOf(other.name) != id
}

func (u *users) freeLocked() (id int, found bool) {
	for id = u.given.First; id <= u.given.Last; id++ {
		if _, taken := u.names[id]; !taken {
			return id, true
		}
	}
	return 0, false
}

// unfitError says what in a directory cannot be given to a user.
type unfitError struct{ path, why string }

func (e *unfitError) Error() string { return fmt.Sprintf("%q %s", e.path, e.why) }

// giveTree gives a directory to a user, with all below. The directory itself comes last: as long as it is not the
// user's, a start that was interrupted is done anew. Links are given, not followed.
func giveTree(path string, user int, found unix.Stat_t) error {
	if ownUser(found) == user && found.Mode&0o7777 == ownerOnly {
		return nil
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	if ownUser(found) != user {
		g := giver{user: user, former: ownUser(found), device: found.Dev}
		if err := g.below(dir, "", 0); err != nil {
			return err
		}
	}
	if err := dir.Chmod(ownerOnly); err != nil {
		return err
	}
	return dir.Chown(user, user)
}

// giver walks a tree that nobody changes meanwhile.
type giver struct {
	user, former int // former is 0 where root had it
	device       uint64
}

const (
	deepestTree = 256  // levels, each of which holds a descriptor
	atOnce      = 1024 // names
)

func (g *giver) below(dir *os.File, path string, depth int) error {
	if depth > deepestTree {
		return &unfitError{path, "is too deep"}
	}
	for {
		names, err := dir.Readdirnames(atOnce)
		for _, name := range names {
			if err := g.entry(int(dir.Fd()), name, filepath.Join(path, name), depth); err != nil {
				return err
			}
		}
		if len(names) == 0 { // the error is the end, or the reason
			return endOf(err)
		}
	}
}

func (g *giver) entry(dir int, name, path string, depth int) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot look at %q: %w", path, err)
	}
	if err := g.fit(path, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("cannot open %q: %w", path, err)
		}
		sub := os.NewFile(uintptr(fd), name)
		err = g.below(sub, path, depth+1)
		sub.Close()
		if err != nil {
			return err
		}
	}
	if int(stat.Uid) == g.user && int(stat.Gid) == g.user {
		return nil
	}
	if err := unix.Fchownat(dir, name, g.user, g.user, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot give %q to user %d: %w", path, g.user, err)
	}
	return nil
}

// fit refuses what may be more than the workspace's own: a file that has another name, which may be anywhere, unless
// its former user made it; a device; and another file system.
func (g *giver) fit(path string, stat *unix.Stat_t) error {
	owned := int(stat.Uid) == g.user || g.former != 0 && int(stat.Uid) == g.former
	switch kind := stat.Mode & unix.S_IFMT; {
	case stat.Dev != g.device:
		return &unfitError{path, "is on another file system"}
	case kind == unix.S_IFCHR || kind == unix.S_IFBLK:
		return &unfitError{path, "is a device"}
	case kind != unix.S_IFDIR && stat.Nlink > 1 && !owned:
		return &unfitError{path, "has another name as well, a hard link"}
	}
	return nil
}
