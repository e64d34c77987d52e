package configs

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Isolation is by what all workers are kept apart, whatever their kind.
type Isolation struct {
	UIDs   string `koanf:"uids"`   // FIRST-LAST; empty is none
	Cgroup string `koanf:"cgroup"` // CgroupAuto, CgroupOff or the path of a group
}

// Values of isolation.cgroup beside a path.
const (
	CgroupAuto = "auto"
	CgroupOff  = "off"
)

// The bounds of isolation.uids. Lower numbers belong to the machine and to people; the kernel's own end is above.
const (
	firstUID = 1 << 16
	lastUID  = 1<<31 - 1
)

// Range gives the users that workspaces have one each of; zeros are none.
func (i Isolation) Range() (first, last int) {
	first, last, _ = parseRange(i.UIDs)
	return first, last
}

func parseRange(text string) (first, last int, ok bool) {
	from, to, found := strings.Cut(text, "-")
	first, err1 := strconv.Atoi(strings.TrimSpace(from))
	last, err2 := strconv.Atoi(strings.TrimSpace(to))
	if !found || err1 != nil || err2 != nil || first < firstUID || last < first || last > lastUID {
		return 0, 0, false
	}
	return first, last, true
}

func uids() valueType {
	return valueType{want: fmt.Sprintf(`a range of %d to %d, such as "200000-265535"`, firstUID, lastUID), parse: func(text string) (any, bool) {
		first, last, ok := parseRange(text)
		return fmt.Sprintf("%d-%d", first, last), ok
	}}
}

func cgroup() valueType {
	return valueType{want: `"auto", "off" or an absolute path such as "/sys/fs/cgroup/workspace-router"`, parse: func(text string) (any, bool) {
		return text, text == CgroupAuto || text == CgroupOff || filepath.IsAbs(text) && filepath.Clean(text) == text
	}}
}

func isolationKeys() []Key {
	return []Key{
		{Name: "isolation.cgroup", Applies: AtNextStart, value: cgroup(),
			Doc: "Where each launch gets a control group (version 2) of its own, which holds it to the limits of its kind (`limits`, `isolation.processes`), ends all of it in one step and proves that nothing is left: `auto` is below the group that the router runs in, where that was delegated to it (`Delegate=yes` in a unit of systemd's, as in `deploy/systemd`); or the path of a group for the router alone, which is made if it is not there and must hold no other process. A change counts when a keeper is started: with `on_exit: keep` and workers that are kept, that is later than the router's next start. What a launch does without is named in its isolation."},
		{Name: "isolation.uids", Applies: AtNextStart, value: uids(), defaultText: "none",
			Doc: "Users, and groups with the same numbers, of which each workspace gets one of its own where the router runs as root: its worker runs as that user, and its directory belongs to it. Give as many as there are workspaces, that nobody has: not in /etc/passwd, /etc/subuid or a directory service. A workspace keeps its user as the owner of its directory; one that has none yet is given one, with all of its files, at its next start. A launch whose program, or whatever else its kind lists, that user cannot reach runs as root as before, and says so in its isolation. `data` and the directories above it must let others pass (mode 0711). `docs/security.md` says what it stops."},
	}
}
