package keeper

import (
	"fmt"
	"os"
	"syscall"
)

// Program tells the file of a program from any other that is put in its place: its device, inode, size and time of
// modification. A file that is written into while it runs has another one, too, where the system allows that.
type Program string

// OwnProgram is the path of the file that this process runs, whatever its name leads to by now.
const OwnProgram = "/proc/self/exe"

// CanResume is what `keeper check-resume VERSION` prints where that program can go on for a keeper whose Hello has that
// version in State.
const CanResume = "can go on\n"

// IdentifyProgram follows links.
func IdentifyProgram(path string) (Program, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot identify the program: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return "", fmt.Errorf("cannot identify the program: %q is no file", path)
	}
	return Program(fmt.Sprintf("%x:%x:%x:%x", stat.Dev, stat.Ino, stat.Size, info.ModTime().UnixNano())), nil
}
