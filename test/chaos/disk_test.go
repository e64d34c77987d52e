package chaos

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a small file system of the scene's own, which can be made to stall and to fill up.
type disk struct{ dir string }

const (
	diskSize = 256 << 20 // bytes
	// Of linux/fs.h: _IOWR('X', 119, int) and 120. A frozen file system holds every write until it is thawed.
	ioctlFreeze = 0xc0045877
	ioctlThaw   = 0xc0045878
)

// mountDisk mounts one at dir, or gives nil where this machine does not let the test: that takes root and a loop device.
func mountDisk(t *testing.T, dir string) *disk {
	t.Helper()
	image := dir + ".ext4"
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, diskSize); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, dir}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		cancel()
		if err != nil {
			t.Logf("the disk never stalls nor fills up in this run: %s: %v: %s", command[0], err, output)
			return nil
		}
	}
	d := &disk{dir: dir}
	t.Cleanup(func() { // runs after the router's own, which leaves nothing that holds the mount
		d.thaw()
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("cannot unmount %s: %v", dir, err)
		}
	})
	return d
}

// stall holds every write for a while.
func (d *disk) stall(pause time.Duration) bool {
	if d.ioctl(ioctlFreeze) != nil {
		return false
	}
	<-time.After(pause)
	d.thaw()
	return true
}

func (d *disk) thaw() { _ = d.ioctl(ioctlThaw) } // fails where it is not frozen

func (d *disk) ioctl(what uint) error {
	root, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return unix.IoctlSetInt(int(root.Fd()), what, 0)
}

// fill takes all that is free for a while.
func (d *disk) fill(pause time.Duration) bool {
	path := filepath.Join(d.dir, "ballast")
	ballast, err := os.Create(path)
	if err != nil {
		return false
	}
	defer os.Remove(path)
	defer ballast.Close()
	const least = 4 << 10
	end := int64(0)
	for size := int64(diskSize); size >= least; {
		if unix.Fallocate(int(ballast.Fd()), 0, end, size) == nil {
			end += size
		} else {
			size /= 2
		}
	}
	<-time.After(pause)
	return true
}
