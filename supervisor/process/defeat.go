package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

// managerPatience bounds the question to the service manager how it ends this unit.
const managerPatience = 2 * time.Second

// surroundings is what of a process's place may end the workers with it, whatever the keeper does.
type surroundings struct {
	pid, parent int
	container   bool
	invocation  string // INVOCATION_ID, by which the service manager marks what it has started
	cgroups     string // the text of /proc/self/cgroup
	killMode    func(unit string) (string, error)
}

// DefeatsKeep says why workers that are to outlive this router would not; nothing where nothing is known against it. It
// may ask the service manager, for a moment.
func DefeatsKeep() []string {
	cgroups, _ := os.ReadFile("/proc/self/cgroup") // without it there is no unit to be known
	return defeats(surroundings{
		pid: os.Getpid(), parent: os.Getppid(), container: inContainer(), invocation: os.Getenv("INVOCATION_ID"),
		cgroups: string(cgroups), killMode: killMode,
	})
}

func defeats(s surroundings) (reasons []string) {
	switch {
	case s.pid == 1:
		reasons = append(reasons, "it is the first process of its container or PID namespace, whose end is the end of every process in it")
	case s.parent == 1 && s.container && s.invocation == "": // else that is a service manager, which goes on
		reasons = append(reasons, "it is run by the first process of a container, which usually ends with it, and every process in it too")
	}
	unit := unitOf(s.cgroups)
	if s.invocation == "" || unit == "" {
		return reasons
	}
	mode, err := s.killMode(unit)
	switch {
	case err != nil:
		reasons = append(reasons, fmt.Sprintf("it runs in the unit %q, and systemd ends all processes of a unit unless KillMode=process is set there, which cannot be told: %v", unit, err))
	case mode != "process" && mode != "none":
		reasons = append(reasons, fmt.Sprintf("it runs in the unit %q with KillMode=%s, so systemd ends the keeper and the workers too; set KillMode=process there", unit, mode))
	}
	return reasons
}

// unitOf finds the service that the control group is of.
func unitOf(cgroups string) string {
	for line := range strings.Lines(cgroups) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		_, group, _ := strings.Cut(rest, ":")
		for ; group != "" && group != "/" && group != "."; group = path.Dir(group) {
			if strings.HasSuffix(group, ".service") {
				return path.Base(group)
			}
		}
	}
	return ""
}

// inContainer looks for the marks that container engines leave.
func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

func killMode(unit string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), managerPatience)
	defer cancel()
	scope := "--system"
	if os.Geteuid() != 0 && os.Getenv("XDG_RUNTIME_DIR") != "" && os.Getenv("MANAGERPID") != "" {
		scope = "--user"
	}
	text, err := exec.CommandContext(ctx, "systemctl", scope, "show", "--property=KillMode", "--value", "--", unit).Output()
	if err != nil {
		return "", fmt.Errorf("cannot ask systemctl: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
