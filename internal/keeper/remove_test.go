package keeper

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// nest makes levels directories, each in the one before, beyond what a path can name.
func nest(t *testing.T, top string, levels int) {
	t.Helper()
	fd, err := unix.Open(top, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for range levels {
		if err == nil {
			err = unix.Mkdirat(fd, "d", 0o700)
		}
		var next int
		if err == nil {
			next, err = unix.Openat(fd, "d", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
}

func TestRemoveAll_HoldsNoMoreDescriptorsThanTheTreeIsDeep(t *testing.T) {
	top := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(top, 0o700); err != nil {
		t.Fatal(err)
	}
	nest(t, top, 3000)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 200
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	err := RemoveAll(top)
	if restored := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); restored != nil {
		t.Fatal(restored)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(top); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestRemoveAll_TakesEverythingAndFollowsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	top, outside := filepath.Join(dir, "run"), filepath.Join(dir, "outside")
	for _, path := range []string{outside, filepath.Join(top, "a/b/c"), filepath.Join(top, "closed/inner"), filepath.Join(top, ".left-1/x")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Join(outside, "kept"), filepath.Join(top, "a/b/file"), filepath.Join(top, "closed/inner/file")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(top, "a/link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(top, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"closed/inner", "closed"} {
		if err := os.Chmod(filepath.Join(top, path), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveAll(top); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(top); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(outside, "kept")); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
	if err := RemoveAll(top); err != nil {
		t.Errorf("what is not there: %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if err := RemoveAll(link); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(outside, "kept")); err != nil {
		t.Errorf("the link itself was followed: %v", err)
	}
}
