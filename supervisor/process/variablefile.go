package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// MaxVariable is the longest value of a variable, in bytes. The kernel takes about twice as much.
const MaxVariable = 64 << 10

// ReadVariable reads the value of a variable from a file that holds nothing else; the end of its last line is not part of
// it. What others could read or write is refused, and so is what lies in the data directory, where the secrets of the
// router and the data of other workspaces are. The error names the path and the cure, and nothing of what the file holds.
func ReadVariable(path, data string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("cannot use the file %q: want an absolute path", path)
	}
	found, err := filepath.EvalSymlinks(path) // Kubernetes mounts secrets behind links
	if err != nil {
		return "", fmt.Errorf("cannot read the file %q: %w", path, withoutPath(err))
	}
	if within, err := below(found, data); err != nil || within {
		return "", errors.Join(fmt.Errorf("cannot use the file %q: it lies in the data directory, want one outside of it", path), err)
	}
	file, err := os.OpenFile(found, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", fmt.Errorf("cannot read the file %q: %w", path, withoutPath(err))
	}
	defer file.Close()
	if err := trusted(file); err != nil {
		return "", fmt.Errorf("cannot use the file %q: %w", path, err)
	}
	content, err := io.ReadAll(io.LimitReader(file, MaxVariable+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the file %q: %w", path, withoutPath(err))
	}
	value := strings.TrimRight(string(content), "\r\n")
	switch {
	case len(content) > MaxVariable:
		return "", fmt.Errorf("cannot use the file %q: it has more than %d bytes", path, MaxVariable)
	case strings.ContainsRune(value, 0) || !utf8.ValidString(value):
		return "", fmt.Errorf("cannot use the file %q: it holds something else than text", path)
	}
	return value, nil
}

// trusted refuses what is no file, and one that others than the router's user, its group's readers and root can use.
func trusted(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return withoutPath(err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return errors.New("it is no regular file")
	case !known || owner.Uid != 0 && int(owner.Uid) != os.Geteuid():
		return errors.New("it belongs to another user; want the router's own or root as its owner")
	case mode.Perm()&0o027 != 0:
		return fmt.Errorf("its mode is %04o, by which others can read or its group can change it; want 0600 or 0640 at most", mode.Perm())
	}
	return nil
}

// below reports whether the path, which has no links, lies in the directory or is it.
func below(path, directory string) (bool, error) {
	directory, err := filepath.EvalSymlinks(directory)
	if err != nil {
		return false, fmt.Errorf("cannot find the data directory: %w", withoutPath(err))
	}
	relative, err := filepath.Rel(directory, path)
	return err == nil && filepath.IsLocal(relative), nil
}

// withoutPath leaves of a file error what went wrong; the path is named by who asked.
func withoutPath(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}
