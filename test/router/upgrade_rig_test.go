package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"workspace-router/internal/testkit"
)

// line is one router and those that follow it over the same data directory. Its output goes into a file, which all of
// them write to, so that the end of the first can be waited for while another goes on.
type line struct {
	*testkit.Router
	t      *testing.T
	home   string // the folder of the programs
	log    string
	first  *exec.Cmd
	exited chan struct{} // closed when the first has ended
}

// startLine runs a router whose program is a link to the built one, so that another can be put in its place.
func startLine(t *testing.T, environment ...string) *line {
	t.Helper()
	l := newLine(t)
	l.launch(exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(l.home, "router"), l.arguments()...), environment)
	l.served()
	return l
}

func newLine(t *testing.T) *line {
	t.Helper()
	dir := dataDir(t)
	home := filepath.Dir(dir)
	for _, program := range []string{"router", "keeper", "worker", "hostile"} {
		if err := os.Link(binaries.Path(program), filepath.Join(home, program)); err != nil {
			t.Fatal(err)
		}
	}
	return &line{
		Router: &testkit.Router{DataDir: dir, Binaries: binaries},
		t:      t, home: home, log: filepath.Join(home, "log"), exited: make(chan struct{}),
	}
}

func (l *line) arguments() []string {
	return []string{"serve", "--data", l.DataDir, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"}
}

// launch starts the command with its output in the log.
func (l *line) launch(command *exec.Cmd, environment []string) {
	l.t.Helper()
	log, err := os.OpenFile(l.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	command.Dir = filepath.Dir(l.DataDir)
	command.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "ROUTER_DEFAULT_KIND=hostile", "ROUTER_POOL_MINIMUM_RESIDENCY=0s",
		"ROUTER_KIND_FILES=" + filepath.Join(testkit.Root(), "test/hostile/hostile.yaml"),
	}, environment...)
	if err := command.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.first = command
	go func() {
		_ = command.Wait()
		close(l.exited)
	}()
	l.t.Cleanup(func() {
		for _, pid := range l.routers() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if l.t.Failed() {
			l.t.Logf("the routers said:\n%s", l.said())
		}
		testkit.NothingLeft(l.t, l.DataDir)
	})
}

var printedAddress = regexp.MustCompile(`(?m)^(listening|operators) +(http://\S+)$`)

// served waits until the first router takes requests, and notes where and with which key.
func (l *line) served() {
	l.t.Helper()
	testkit.Eventually(l.t, "the router to serve", func() error {
		found := printedAddress.FindAllStringSubmatch(l.said(), -1)
		if len(found) < 2 {
			return errors.New(l.said())
		}
		l.URL, l.Operator = found[0][2], found[1][2]
		key, err := os.ReadFile(filepath.Join(l.DataDir, "admin.key"))
		if err != nil {
			return err
		}
		l.Key = strings.TrimSpace(string(key))
		response, err := l.Do(l.t.Context(), testkit.Request{Path: "/readyz", NoKey: true})
		if err == nil && response.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", response.Status, response.Body)
		}
		return err
	})
}

// said is all that the routers printed and logged.
func (l *line) said() string {
	content, err := os.ReadFile(l.log)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// routers are the pids of the routers that run, without those of commands.
func (l *line) routers() (pids []int) {
	l.t.Helper()
	list, err := testkit.Processes(l.DataDir)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, process := range list {
		if fields := strings.Fields(process); len(fields) > 2 && filepath.Base(fields[1]) == "router" && fields[2] == "serve" {
			pid, err := strconv.Atoi(fields[0])
			if err != nil {
				l.t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// serving is the pid in the data directory's lock: the router that serves.
func (l *line) serving() int {
	l.t.Helper()
	content, err := os.ReadFile(filepath.Join(l.DataDir, "locks", "router"))
	if err != nil {
		l.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0 // it is being written
	}
	return pid
}

// freshClient sends every request over a connection of its own.
func freshClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: testkit.Patience}).DialContext}}
}
