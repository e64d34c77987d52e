package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// where a group is found, and what is said where there is none. The mount is a directory of the test's.
func TestFind(t *testing.T) {
	t.Parallel()
	const own = "0::/system.slice/router.service\n"
	marks := func(want string) func(string) bool {
		return func(path string) bool { return strings.HasSuffix(path, want) }
	}
	owners := func(mine string) func(string) (int, error) {
		return func(path string) (int, error) {
			if strings.Contains(path, mine) {
				return 900, nil
			}
			return 0, nil
		}
	}
	for name, tc := range map[string]struct {
		s       surroundings
		setting string // below the mount; empty is auto
		typed   bool   // the mount is not the machine's root group
		root    string // what of the hierarchy is mounted
		want    string // below the mount
		own     bool
		wrong   string
	}{
		"delegated by systemd":     {s: surroundings{own: own, marked: marks("/router.service")}, want: "system.slice/router.service", own: true},
		"one below, in its leaf":   {s: surroundings{own: "0::/system.slice/router.service/router\n", marked: marks("/router.service")}, want: "system.slice/router.service", own: true},
		"a command of the unit":    {s: surroundings{own: "0::/system.slice/router.service/.control\n", marked: marks("/router.service")}, want: "system.slice/router.service", own: true},
		"given to a user":          {s: surroundings{own: own, uid: 900, owner: owners("router.service")}, want: "system.slice/router.service", own: true},
		"a user's by inheritance":  {s: surroundings{own: "0::/user.slice/me/app.scope\n", uid: 900, owner: owners("user.slice/me")}, wrong: "not delegated"},
		"root's, not delegated":    {s: surroundings{own: own}, wrong: "set Delegate=yes"},
		"the root of a container":  {s: surroundings{own: "0::/\n"}, typed: true, want: ".", own: true},
		"the root of the machine":  {s: surroundings{own: "0::/\n"}, wrong: "not delegated"},
		"a part of it is mounted":  {s: surroundings{own: own, marked: marks("/router.service")}, root: "/system.slice", want: "router.service", own: true},
		"another part is mounted":  {s: surroundings{own: own}, root: "/user.slice", wrong: "cannot be seen"},
		"version 1 alone":          {s: surroundings{own: "4:memory:/x\n", mounts: "30 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"}, wrong: "no control groups of version 2"},
		"in no group":              {s: surroundings{own: "4:memory:/x\n"}, wrong: "has no control group of version 2"},
		"read-only":                {s: surroundings{own: own, marked: marks("/router.service"), writes: func(string) error { return os.ErrPermission }}, wrong: "cannot make groups in"},
		"named":                    {s: surroundings{own: own}, setting: "workers", want: "workers"},
		"named, and its own":       {s: surroundings{own: own}, setting: "system.slice/router.service", want: "system.slice/router.service", own: true},
		"named, and not there yet": {s: surroundings{own: own}, setting: "fresh", want: "fresh"},
		"named, its parent absent": {s: surroundings{own: own}, setting: "a/b", wrong: "cannot make the control group"},
		"named, elsewhere":         {s: surroundings{own: own}, setting: "../elsewhere", wrong: "is no control group"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mount := t.TempDir()
			for _, dir := range []string{"system.slice/router.service", "workers", "router.service"} {
				if err := os.MkdirAll(filepath.Join(mount, dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if tc.typed {
				put(t, mount, "cgroup.type", "domain")
			}
			s := tc.s
			if s.mounts == "" {
				root := tc.root
				if root == "" {
					root = "/"
				}
				s.mounts = "29 25 0:26 / /sys rw - sysfs sysfs rw\n30 29 0:27 " + root + " " + mount + " rw,nosuid - cgroup2 cgroup2 rw\n"
			}
			if s.marked == nil {
				s.marked = func(string) bool { return false }
			}
			if s.owner == nil {
				s.owner = func(string) (int, error) { return 0, errors.New("nobody's") }
			}
			if s.writes == nil {
				s.writes = func(string) error { return nil }
			}
			find := s.delegated
			if tc.setting != "" {
				find = func() (*Base, error) { return s.named(filepath.Join(mount, tc.setting)) }
			}
			base, err := find()
			switch {
			case tc.wrong != "":
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("got %v, %v, want an error with %q", base, err, tc.wrong)
				}
			case err != nil:
				t.Error(err)
			case base.Path != filepath.Join(mount, tc.want) || base.Own != tc.own:
				t.Errorf("got %+v, want %q", base, tc.want)
			}
		})
	}
}

func TestFind_Off(t *testing.T) {
	t.Parallel()
	if base, err := Find(Off); err == nil || !strings.Contains(err.Error(), "isolation.cgroup") {
		t.Errorf("got %v, %v, want the setting named", base, err)
	}
}

// put writes a file as the kernel would have it.
func put(t *testing.T, dir, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
