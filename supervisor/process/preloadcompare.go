package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
	script "workspace-router/internal/keeper/preloader"
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// comparePatience bounds one of the two processes that are compared.
const comparePatience = 30 * time.Second

// compare runs the self-test twice as a launch like the given one, executed and forked from the preloader, and says in what
// the two differ: what they are given, how they are held, and what they can do.
func (d *Driver) compare(l *link, p *preloader, like *keeper.Start) error {
	began := time.Now()
	executed, err := d.ask(l, p, like, false)
	if err != nil {
		return fmt.Errorf("cannot execute the self-test: %w", err)
	}
	forked, err := d.ask(l, p, like, true)
	if err != nil {
		return fmt.Errorf("cannot fork the self-test: %w", err)
	}
	if found := differences("", executed, forked); len(found) > 0 {
		return fmt.Errorf("a forked process is not the same as an executed one: %s", strings.Join(found[:min(len(found), 5)], "; "))
	}
	d.log.Info("a forked process was found to be the same as an executed one", zap.String("kind", p.class.kind), zap.Duration("after", time.Since(began)))
	return nil
}

// ask runs the self-test once and gives what it says.
func (d *Driver) ask(l *link, p *preloader, like *keeper.Start, fork bool) (said any, err error) {
	command, err := d.compareCommand(p.class, like)
	if err != nil {
		return nil, err
	}
	if fork {
		command.Preload = p.from(p.class)
	}
	w := d.preloaderWorker(l, command)
	if !d.enter(w) {
		return nil, fmt.Errorf("the launch %q is there already", command.Launch)
	}
	if err := l.send(keeper.Message{Start: command}); err != nil {
		w.neverRan()
		return nil, err
	}
	defer func() {
		// It ends with a keeper that is dead.
		_ = l.send(keeper.Message{Nonce: command.Nonce, Stop: &keeper.Stop{Launch: command.Launch, Force: true}})
	}()
	said, err = d.hear(w)
	if err == nil && w.forked() != fork {
		err = fmt.Errorf("it was executed: %v", w.spawned.Isolation)
	}
	return said, err
}

// hear waits for what a self-test says. What is the launch's own in it is put the same for all.
func (d *Driver) hear(w *worker) (said any, err error) {
	deadline := time.NewTimer(comparePatience)
	defer deadline.Stop()
	poll := time.NewTicker(preloadPoll)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
		case <-w.exited:
			if w.refused != nil {
				return nil, errors.New(w.refused.Text)
			}
			return nil, fmt.Errorf("it ended; its last words are in %q", d.data.PreloadLog("selftest"))
		case <-deadline.C:
			return nil, fmt.Errorf("it says nothing within %v", comparePatience)
		case <-d.closing:
			return nil, errors.New("the router ends")
		}
		text, err := os.ReadFile(filepath.Join(w.values.run, "report.json"))
		if err != nil || !closed(w.settled) { // the process may be faster than the keeper's word of it
			continue
		}
		text = []byte(strings.ReplaceAll(string(text), w.values.run, "{run}"))
		if err := json.Unmarshal(text, &said); err != nil {
			return nil, fmt.Errorf("what it says makes no sense: %w", err)
		}
		return said, nil
	}
}

// compareCommand makes a launch like the given one, but for the workspace: it may write to its run directory alone.
func (d *Driver) compareCommand(c preloadClass, like *keeper.Start) (*keeper.Start, error) {
	launch := newLaunchName()
	run := d.data.RunDir(launch)
	program := filepath.Join(run, "selftest.py")
	dir, err := d.openRun(run, like.User.ID)
	if err != nil {
		return nil, fmt.Errorf("cannot make its directory: %w", err)
	}
	defer dir.Close()
	first := "#!" + strings.Join(append([]string{c.interpreter}, c.options...), " ") + "\n"
	file, err := dir.OpenFile(filepath.Base(program), os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly)
	if err == nil {
		err = errors.Join(d.disk.write(file, first+script.SelfTest), file.Close())
	}
	if err == nil && like.User.ID != 0 {
		err = d.disk.give(dir, filepath.Base(program), like.User.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write it: %w", err)
	}
	command := *like
	command.Launch, command.Generation, command.Workspace = launch, "selftest-"+launch, "self-test of a preloader"
	command.Nonce, command.Memo, command.Preload = fresh(), memo{Preload: &preloadMemo{}}.encode(), nil
	command.Program, command.Args = program, []string{program, filepath.Join(run, "report.json")}
	command.Env = append(slices.Clone(c.environment), "HOME="+run, "TMPDIR="+temporary(run), "SELFTEST=1")
	command.Dir, command.RunDir, command.Grace = run, run, 0
	command.Log = keeper.LogFile{Path: d.data.PreloadLog("selftest"), Limit: d.config.LogLimit}
	if like.Sandbox != nil {
		command.Sandbox = &sandbox.Policy{
			Read: append(slices.Clone(d.system), append(runtimePaths(kind.RuntimePython, program), program)...), Write: []string{run}, Devices: devices,
			Connect: like.Sandbox.Connect,
		}
	}
	return &command, nil
}

// differences names the places at which two values from JSON differ, with what each has there.
func differences(at string, executed, forked any) (found []string) {
	a, isObject := executed.(map[string]any)
	b, both := forked.(map[string]any)
	if !isObject || !both {
		if !reflect.DeepEqual(executed, forked) {
			found = append(found, fmt.Sprintf("%s is %v, executed it is %v", strings.TrimPrefix(at, "."), forked, executed))
		}
		return found
	}
	names := maps.Clone(a)
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found = append(found, differences(at+"."+name, a[name], b[name])...)
	}
	return found
}
