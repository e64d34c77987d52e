package keeper

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// RemoveAll removes what a worker left at path, which need not be there. Unlike os.RemoveAll it holds two descriptors
// however deep the tree is: a worker can make one with more levels than a process may have descriptors. A directory that
// is not empty is first moved up to path itself, so that none is ever looked at below the second level. Nobody may
// write into the tree any more.
func RemoveAll(path string) error {
	root, err := openDirectory(unix.AT_FDCWD, path)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP): // a file, or a link, which is not followed
		return os.Remove(path)
	case err != nil:
		return fmt.Errorf("cannot remove %q: %w", path, err)
	}
	defer root.Close()
	f := flattener{root: root}
	for {
		names, err := names(root)
		if err != nil {
			return fmt.Errorf("cannot remove %q: %w", path, err)
		}
		if len(names) == 0 {
			return os.Remove(path)
		}
		for _, name := range names {
			if err := f.remove(name); err != nil {
				return fmt.Errorf("cannot remove %q below %q: %w", name, path, err)
			}
		}
	}
}

// flattener empties one directory.
type flattener struct {
	root  *os.File
	moved int
}

// remove removes an entry of the root, and moves what of it is not empty to the root.
func (f *flattener) remove(name string) error {
	if emptied, err := unlink(f.root, name); emptied || err != nil {
		return err
	}
	dir, err := openDirectory(int(f.root.Fd()), name)
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := names(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if emptied, err := unlink(dir, entry); err != nil {
			return err
		} else if !emptied {
			if err := f.raise(dir, entry); err != nil {
				return err
			}
		}
	}
	_, err = unlink(f.root, name)
	return err
}

// raise moves a directory to the root under a name that is free there.
func (f *flattener) raise(dir *os.File, entry string) error {
	for {
		f.moved++
		err := unix.Renameat2(int(dir.Fd()), entry, int(f.root.Fd()), ".left-"+strconv.Itoa(f.moved), unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EACCES) { // moving a directory writes into it
			if err := unix.Fchmodat(int(dir.Fd()), entry, 0o700, 0); err != nil {
				return err
			}
			err = unix.Renameat2(int(dir.Fd()), entry, int(f.root.Fd()), ".left-"+strconv.Itoa(f.moved), unix.RENAME_NOREPLACE)
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}

// unlink removes a file or an empty directory; false where it is a directory that is not empty.
func unlink(dir *os.File, name string) (removed bool, err error) {
	err = unix.Unlinkat(int(dir.Fd()), name, 0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		err = unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR)
	}
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return true, nil
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		return false, nil
	}
	return false, err
}

// openDirectory opens a directory, never through a link, and gives itself the right to where that was taken away.
func openDirectory(at int, name string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, 0)
	if errors.Is(err, unix.EACCES) {
		if err := unix.Fchmodat(at, name, 0o700, 0); err != nil {
			return nil, err
		}
		fd, err = unix.Openat(at, name, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Fchmod(fd, 0o700); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// names reads a directory's entries from its beginning.
func names(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, 0); err != nil {
		return nil, err
	}
	return dir.Readdirnames(-1)
}
