package process

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// needed are the capabilities without which workers of other users could not be made, seen and ended.
var needed = map[int]string{
	unix.CAP_CHOWN: "CHOWN", unix.CAP_DAC_OVERRIDE: "DAC_OVERRIDE", unix.CAP_FOWNER: "FOWNER", unix.CAP_KILL: "KILL",
	unix.CAP_SETGID: "SETGID", unix.CAP_SETUID: "SETUID", unix.CAP_SYS_PTRACE: "SYS_PTRACE",
}

// mayGive says why this process cannot give a range's users to workers; empty is that it can.
func mayGive(given UIDs) string {
	if os.Geteuid() != 0 {
		return "the router does not run as root"
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil {
		return fmt.Sprintf("cannot read the router's capabilities: %v", err)
	}
	var lacking []string
	for capability, name := range needed {
		if has[0].Effective&(1<<capability) == 0 {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		return "the router lacks the capability " + strings.Join(lacking, ", ")
	}
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		if !mapped(readText(file), given) {
			return fmt.Sprintf("not all of %d to %d exist in this container", given.First, given.Last)
		}
	}
	for _, file := range []string{"/etc/passwd", "/etc/group", "/etc/subuid", "/etc/subgid"} {
		if whose := takenBy(readText(file), given, strings.HasPrefix(filepath.Base(file), "sub")); whose != "" {
			return fmt.Sprintf("%q of %s has some of %d to %d", whose, file, given.First, given.Last)
		}
	}
	return ""
}

// readText gives a file's text; none where it cannot be read.
func readText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// mapped reports whether one line of a user namespace's map holds the range whole.
func mapped(text string, given UIDs) bool {
	for line := range strings.Lines(text) {
		var inside, outside, count int
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && given.First >= inside && given.Last-inside < count {
			return true
		}
	}
	return false
}

// takenBy finds who has some of a range: in lines NAME:PASSWORD:ID:…, or NAME:FIRST:COUNT.
func takenBy(text string, given UIDs, ranges bool) string {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 {
			continue
		}
		first, count := fields[2], "1"
		if ranges {
			first, count = fields[1], fields[2]
		}
		from, err1 := strconv.Atoi(first)
		size, err2 := strconv.Atoi(count)
		if err1 != nil || err2 != nil || size <= 0 || size > math.MaxInt32 {
			continue
		}
		if from <= given.Last && from+size > given.First {
			return fields[0]
		}
	}
	return ""
}

// need is what a user must be able to do with a path.
type need struct {
	path string
	mode uint32
}

// reaches asks the kernel what a launch's user could not reach; empty is that it reaches all.
func reaches(user int, v values, r reach) string {
	needs := []need{
		{filepath.Dir(v.dir), unix.X_OK}, {filepath.Dir(v.run), unix.X_OK}, {v.program, unix.X_OK},
	}
	if interpreter, _ := interpreterOf(v.program); interpreter != "" {
		needs = append(needs, need{v.program, unix.R_OK}, need{interpreter, unix.X_OK})
	}
	for _, path := range r.read {
		needs = append(needs, need{path, unix.R_OK})
	}
	for _, path := range r.write {
		needs = append(needs, need{path, unix.R_OK | unix.W_OK})
	}
	failed := make(chan error, 1)
	go func() { failed <- asUser(user, func() error { return try(user, needs) }) }()
	if err := <-failed; err != nil {
		return err.Error()
	}
	return ""
}

// try is for a thread with the user's view. What is not there is nobody's to reach; what is the user's own counts as
// reached whatever its mode, or a worker could have itself started as root by closing it.
func try(user int, needs []need) error {
	for _, n := range needs {
		mode := n.mode
		var found unix.Stat_t
		if err := unix.Stat(n.path, &found); err == nil {
			if int(found.Uid) == user {
				continue
			}
			if found.Mode&unix.S_IFMT == unix.S_IFDIR {
				mode |= unix.X_OK
			}
		}
		err := unix.Faccessat2(unix.AT_FDCWD, n.path, mode, unix.AT_EACCESS)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("it cannot use %q: %w", n.path, err)
		}
	}
	return nil
}

// asUser calls do on a thread that sees files as a user without other groups does. It needs a goroutine of its own: a
// thread that cannot come back stays locked to it, and ends with it.
func asUser(user int, do func() error) error {
	runtime.LockOSThread()
	groups, err := unix.Getgroups()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("cannot read the router's groups: %w", err)
	}
	err = errors.Join(unix.Setgroups(nil), unix.Setfsgid(user), unix.Setfsuid(user))
	if now, _ := unix.SetfsuidRetUid(-1); err == nil && now != user {
		err = fmt.Errorf("cannot look at files as user %d", user)
	}
	if err == nil {
		err = do()
	}
	back := errors.Join(unix.Setfsuid(0), unix.Setfsgid(0), unix.Setgroups(groups))
	if now, _ := unix.SetfsuidRetUid(-1); back == nil && now == 0 {
		runtime.UnlockOSThread()
	}
	return err
}

// endOf is the error of reading to the end.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
