package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// badDisk is a disk of which one call fails, or hangs.
type badDisk struct {
	machine
	mu    sync.Mutex // guards what follows
	calls []string   // by name and number, as "sync 2": those of several goroutines mix
	count map[string]int
	wrong string // the call that goes wrong
	err   error  // how; nil is by hanging until freed
	hung  chan struct{}
	freed chan struct{}
}

func (b *badDisk) call(name, path string) error {
	b.mu.Lock()
	if b.count == nil {
		b.count = map[string]int{}
	}
	b.count[name]++
	call := fmt.Sprint(name, " ", b.count[name])
	b.calls = append(b.calls, call)
	wrong := call == b.wrong
	err, hung, freed := b.err, b.hung, b.freed
	b.mu.Unlock()
	if !wrong {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: name, Path: path, Err: err}
	}
	close(hung)
	<-freed
	return nil
}

// plan has one of the calls to come go wrong.
func (b *badDisk) plan(wrong string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.count, b.wrong, b.err = nil, nil, wrong, err
	b.hung, b.freed = make(chan struct{}), make(chan struct{})
}

func (b *badDisk) made() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.calls...)
}

func (b *badDisk) lock(path string) (io.Closer, error) {
	if err := b.call("lock", path); err != nil {
		return nil, err
	}
	return b.machine.lock(path)
}

func (b *badDisk) mkdir(path string) error {
	return errors.Join(b.call("mkdir", path), b.machine.mkdir(path))
}

func (b *badDisk) openDir(path string) (*os.Root, error) {
	if err := b.call("openDir", path); err != nil {
		return nil, err
	}
	return b.machine.openDir(path)
}

func (b *badDisk) openFile(dir *os.Root, name string) (*os.File, error) {
	if err := b.call("openFile", name); err != nil {
		return nil, err
	}
	return b.machine.openFile(dir, name)
}

func (b *badDisk) create(dir *os.Root, name string) (*os.File, error) {
	if err := b.call("create", name); err != nil {
		return nil, err
	}
	return b.machine.create(dir, name)
}

// write writes half where it fails, as a disk does that becomes full.
func (b *badDisk) write(file *os.File, text string) error {
	if err := b.call("write", file.Name()); err != nil {
		return errors.Join(err, b.machine.write(file, text[:len(text)/2]))
	}
	return b.machine.write(file, text)
}

func (b *badDisk) sync(file *os.File) error {
	return errors.Join(b.call("sync", file.Name()), b.machine.sync(file))
}

func (b *badDisk) rename(dir *os.Root, from, to string) error {
	if err := b.call("rename", from); err != nil {
		return err
	}
	return b.machine.rename(dir, from, to)
}

func (b *badDisk) mkdirs(dir *os.Root, name string) error {
	return errors.Join(b.call("mkdirs", name), b.machine.mkdirs(dir, name))
}

func (b *badDisk) unlink(dir *os.Root, name string) error {
	return errors.Join(b.call("unlink", name), b.machine.unlink(dir, name))
}

func (b *badDisk) clear(dir *os.Root, name string) error {
	return errors.Join(b.call("clear", name), b.machine.clear(dir, name))
}

func (b *badDisk) remove(path string) error {
	return errors.Join(b.call("remove", path), b.machine.remove(path))
}

func (b *badDisk) listen(path string) (*net.UnixConn, error) {
	if err := b.call("listen", path); err != nil {
		return nil, err
	}
	return b.machine.listen(path)
}

// newBadRig is a rig with a disk that can go wrong, and what the first start of a workspace asks of it.
func newBadRig(t *testing.T) (r *rig, disk *badDisk, calls []string) {
	t.Helper()
	r = newRig(t)
	disk = &badDisk{}
	r.disk = disk
	r.stop(r.start(newSpec(t, "example", furnished)), true)
	calls = disk.made()
	if len(calls) < 25 {
		t.Fatalf("the start asks for %q only", calls)
	}
	return r, disk, calls
}

// furnished is a kind that makes use of all that a kind can ask for on the disk.
func furnished(k *kind.Kind) {
	k.Ready.Notify = true
	k.Directories = []string{"{dir}/a/b", "{run}/c"}
	k.Files = []kind.File{{Path: "{dir}/conf/settings", Content: "of {workspace}"}}
	set("HOSTILE_NOTIFY=READY=1")(k)
}

// Whichever call fails, the cause is named, nothing of the launch is left, and the next start succeeds.
func TestStart_SurvivesAFailureOfEachCall(t *testing.T) {
	t.Parallel()
	r, disk, calls := newBadRig(t)
	for i, call := range calls {
		spec := newSpec(t, fmt.Sprintf("w%d", i), furnished)
		disk.plan(call, unix.ENOSPC)
		failed := r.fail(spec)
		if failed.Cause != supervisor.CauseDiskFull || !errors.Is(failed, unix.ENOSPC) {
			t.Errorf("%s: got the cause %q: %v", call, failed.Cause, failed)
		}
		assertNoRun(t, r, spec.Launch)
		disk.plan("", nil)
		spec.Launch = newLaunch(t)
		r.stop(r.start(spec), true)
	}
}

func assertNoRun(t *testing.T, r *rig, launch supervisor.LaunchID) {
	t.Helper()
	if _, err := os.Lstat(r.data.RunDir(string(launch))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the run directory of %s is left: %v", launch, err)
	}
}

// A disk that hangs holds no start up beyond its context, and none of another workspace at all. What was made is
// removed when the disk answers.
func TestS10_DiskThatHangs(t *testing.T) {
	t.Parallel()
	r, disk, calls := newBadRig(t)
	for i, call := range calls {
		spec := newSpec(t, fmt.Sprintf("w%d", i), furnished)
		disk.plan(call, nil)
		ctx, cancel := context.WithCancel(r.context())
		go func() {
			<-disk.hung
			cancel()
		}()
		w, err := r.Start(ctx, spec, nil)
		assertCause(t, err, supervisor.CauseCancelled)
		beside := strings.HasPrefix(call, "sync") // the worker runs by then
		if beside != (w != nil) {
			t.Errorf("%s: got the worker %v", call, w != nil)
		}
		if !beside { // nothing runs, and nothing may until the disk has answered
			again := spec
			again.Launch = newLaunch(t)
			_, err := r.Start(r.context(), again, nil)
			assertCause(t, err, supervisor.CauseHangs)
		} else {
			r.stop(w, true)
		}
		r.stop(r.start(newSpec(t, fmt.Sprintf("other%d", i), furnished)), true)
		close(disk.freed)
		eventually(t, "nothing is left of the launch", func() bool {
			_, err := os.Lstat(r.data.RunDir(string(spec.Launch)))
			return errors.Is(err, fs.ErrNotExist) && r.claims.idle() && (!beside || !r.claims.isLoose(spec.Ref.Generation))
		})
		spec.Launch = newLaunch(t)
		r.stop(r.start(spec), true)
	}
}

// idle says that nothing is being prepared.
func (c *claims) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.begun) == 0
}

func TestS10_DiskThatHangsIsACause(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"mkdir 1", "sync 1"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			r, disk, _ := newBadRig(t)
			disk.plan(call, nil)
			ctx, cancel := context.WithTimeout(r.context(), 3*time.Second)
			defer cancel()
			w, err := r.Start(ctx, newSpec(t, "alpha", furnished), nil)
			assertCause(t, err, supervisor.CauseHangs)
			close(disk.freed)
			if w != nil {
				r.stop(w, true)
			}
			eventually(t, "the disk is at rest", r.claims.idle)
		})
	}
}

func TestStart_NamesWhatTheDiskSays(t *testing.T) {
	t.Parallel()
	r, disk, calls := newBadRig(t)
	for errno, want := range map[unix.Errno]supervisor.Cause{
		unix.EDQUOT: supervisor.CauseDiskFull, unix.EACCES: supervisor.CausePermissionDenied, unix.EPERM: supervisor.CausePermissionDenied,
		unix.EROFS: supervisor.CausePermissionDenied, unix.EMFILE: supervisor.CauseResources, unix.ENFILE: supervisor.CauseResources,
		unix.EIO: supervisor.CauseStorage, unix.ENAMETOOLONG: supervisor.CauseStorage, unix.ENOTDIR: supervisor.CauseStorage,
	} {
		for i, call := range calls {
			if call != "mkdir 1" && call != "write 1" && call != "sync 1" {
				continue
			}
			disk.plan(call, errno)
			failed := r.fail(newSpec(t, fmt.Sprintf("w%d-%d", errno, i), furnished))
			if failed.Cause != want || cureOf(want) == "" {
				t.Errorf("%s: %v: got the cause %q: %v", call, errno, failed.Cause, failed)
			}
		}
	}
}

// A marker whose sync failed is synced by the next start, although it is there.
func TestClaim_IsHardenedUntilItHolds(t *testing.T) {
	t.Parallel()
	r, disk, _ := newBadRig(t)
	spec := newSpec(t, "alpha", furnished)
	for range 2 {
		disk.plan("sync 1", unix.EIO)
		spec.Launch = newLaunch(t)
		_ = r.fail(spec)
		if !r.claims.isLoose(spec.Ref.Generation) {
			t.Fatal("the claim counts as hardened")
		}
	}
	disk.plan("", nil)
	spec.Launch = newLaunch(t)
	r.stop(r.start(spec), true)
	if r.claims.isLoose(spec.Ref.Generation) {
		t.Error("the claim does not count as hardened")
	}
	spec.Launch = newLaunch(t)
	disk.plan("", nil)
	r.start(spec)
	for _, call := range disk.made() {
		if strings.HasPrefix(call, "sync") {
			t.Error("a claim that holds was synced again")
		}
	}
}

// A small file system that is full, as it is: only root can mount one.
func TestStart_OnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if os.Geteuid() == 0 {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k,mode=700"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
	}
	r := newRigIn(t, dir)
	t.Cleanup(r.close)
	r.stop(r.start(newSpec(t, "before")), true)
	if os.Geteuid() == 0 {
		filler := filepath.Join(dir, "filler")
		if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("got %v, want no space left", err)
		}
		if failed := r.fail(newSpec(t, "full")); failed.Cause != supervisor.CauseDiskFull {
			t.Errorf("got %v, want the cause %q", failed, supervisor.CauseDiskFull)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	r.start(newSpec(t, "full"))
}
