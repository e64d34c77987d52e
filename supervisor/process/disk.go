package process

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"workspace-router/internal/keeper"
)

// disk is what the driver asks of the file system for a launch: one method for each kind of call, so that each can fail
// in a test as it can on a machine. Where a directory is given the name is looked up within, and no link leads out.
type disk interface {
	lock(path string) (io.Closer, error)
	mkdir(path string) error // also where it is there; its parent must be
	openDir(path string) (*os.Root, error)
	openFile(dir *os.Root, name string) (*os.File, error) // to read; it waits for nobody at a pipe
	create(dir *os.Root, name string) (*os.File, error)   // to write; it must not be there
	write(file *os.File, text string) error
	sync(file *os.File) error
	rename(dir *os.Root, from, to string) error
	mkdirs(dir *os.Root, name string) error         // with parents, also where it is there
	give(dir *os.Root, name string, user int) error // not through a link
	unlink(dir *os.Root, name string) error         // a file, or an empty directory; none is as good
	clear(dir *os.Root, name string) error          // whatever it is, and all below it; none is as good
	remove(path string) error                       // a run directory, which a worker may have filled
	listen(path string) (*net.UnixConn, error)
}

// machine is the real one.
type machine struct{}

func (machine) lock(path string) (io.Closer, error) {
	lock, err := keeper.Lock(path)
	if err != nil {
		return nil, err
	}
	return lock, nil
}

func (machine) mkdir(path string) error {
	if err := os.Mkdir(path, ownerOnly); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func (machine) openDir(path string) (*os.Root, error) { return os.OpenRoot(path) }

func (machine) openFile(dir *os.Root, name string) (*os.File, error) {
	return dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

func (machine) create(dir *os.Root, name string) (*os.File, error) {
	return dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
}

func (machine) write(file *os.File, text string) error {
	_, err := file.WriteString(text)
	return err
}

func (machine) sync(file *os.File) error { return file.Sync() }

func (machine) rename(dir *os.Root, from, to string) error { return dir.Rename(from, to) }

func (machine) mkdirs(dir *os.Root, name string) error { return dir.MkdirAll(name, ownerOnly) }

func (machine) give(dir *os.Root, name string, user int) error { return dir.Lchown(name, user, user) }

func (machine) unlink(dir *os.Root, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (machine) clear(dir *os.Root, name string) error { return dir.RemoveAll(name) }

func (machine) remove(path string) error { return keeper.RemoveAll(path) }

// listen opens a launch's notification socket, on which the kernel says of each message who sent it.
func (machine) listen(path string) (*net.UnixConn, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		var failed error
		err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
		err = errors.Join(err, failed)
	}
	if err == nil {
		err = os.Chmod(path, notifyMode)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot set up the socket: %w", err)
	}
	return conn, nil
}
