package process

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
	script "workspace-router/internal/keeper/preloader"
	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

const (
	// preloadPatience bounds how long a preloader may take to import everything.
	preloadPatience = 2 * time.Minute
	// preloadPoll is how often it is looked whether it has.
	preloadPoll = 25 * time.Millisecond
	// preloadGrace is what a preloader has to end. It holds nothing that it would have to write.
	preloadGrace = time.Second
	// environmentRoom is kept for what its children show as theirs, in bytes; argumentRoom likewise.
	environmentRoom, argumentRoom = 32 << 10, 1 << 10

	preloadRoom = "WORKSPACE_ROUTER_ROOM"
)

// preloader is one process from which launches are forked. Its fields are not changed once it is ready.
type preloader struct {
	class       preloadClass
	fingerprint string
	worker      *worker // its launch, as the keeper and the census see it
	ready       script.Ready
	used        time.Time // guarded by preloads.mu
}

// from is what the keeper is told of a launch of its class.
func (p *preloader) from(c preloadClass) *keeper.Preload {
	return &keeper.Preload{From: string(p.worker.spec.Launch), Before: append([]string{c.interpreter}, c.options...)}
}

// open reports whether its mounts bound the files that it sees. Where Landlock does, its children are held to that, too.
func (p *preloader) open() bool {
	p.worker.mu.Lock()
	defer p.worker.mu.Unlock()
	return p.worker.spawned != nil && slices.Contains(p.worker.spawned.Isolation.Means, sandbox.MeansMounts)
}

// launchPreloader starts a preloader and waits until it takes orders. It is stopped where that fails.
func (d *Driver) launchPreloader(l *link, c preloadClass) (p *preloader, err error) {
	p = &preloader{class: c}
	if p.fingerprint, err = c.fingerprint(); err != nil {
		return nil, err
	}
	began := time.Now()
	command, err := d.preloaderCommand(c, p.fingerprint)
	if err != nil {
		return nil, err
	}
	p.worker = d.preloaderWorker(l, command)
	if !d.enter(p.worker) {
		return nil, fmt.Errorf("the launch %q is there already", command.Launch)
	}
	if err := l.send(keeper.Message{Start: command}); err != nil {
		p.worker.neverRan()
		return nil, err
	}
	if err := p.await(d); err != nil {
		_ = l.send(keeper.Message{Nonce: command.Nonce, Stop: &keeper.Stop{Launch: command.Launch, Force: true}}) // a dead keeper's ends by itself
		return nil, err
	}
	p.worker.mu.Lock()
	pid, isolation := p.worker.spawned.PID, p.worker.spawned.Isolation
	p.worker.mu.Unlock()
	d.log.Info("a preloader takes orders", zap.String("kind", c.kind), zap.String("launch", command.Launch), zap.Int("pid", pid), zap.Int("modules", p.ready.Modules),
		zap.Strings("isolation", isolation.Means), zap.Strings("missing", isolation.Missing), zap.Duration("after", time.Since(began)))
	return p, nil
}

// preloaderWorker stands for a preloader among the launches. The pool knows nothing of it.
func (d *Driver) preloaderWorker(l *link, command *keeper.Start) *worker {
	spec := supervisor.Spec{
		Ref:    workspace.Ref{Generation: workspace.Generation(command.Generation)},
		Kind:   &kind.Kind{Name: command.Workspace, Stop: kind.Stop{Grace: preloadGrace}},
		Launch: supervisor.LaunchID(command.Launch), StartedAt: time.Now(),
	}
	v := values{spec: spec, program: command.Program, run: command.RunDir, nonce: command.Nonce}
	w := newWorker(d, l, spec, v, nil, nil)
	w.preloads = true
	return w
}

// preloaderCommand makes a preloader's run directory and the keeper's command.
func (d *Driver) preloaderCommand(c preloadClass, fingerprint string) (command *keeper.Start, err error) {
	launch := newLaunchName()
	run := d.data.RunDir(launch)
	setup := script.Setup{
		Version: script.Version, Program: c.program, Own: c.profile.Own, Probe: c.profile.Probe, Warm: []script.Call{},
		Ready: filepath.Join(run, "ready.json"),
	}
	for _, warm := range c.profile.Warm {
		if warm.Given == "" || slices.ContainsFunc(c.environment, func(v string) bool { return strings.HasPrefix(v, warm.Given+"=") }) {
			setup.Warm = append(setup.Warm, script.Call{Call: warm.Call, Args: append([]string{}, warm.Args...)})
		}
	}
	text, err := json.Marshal(setup)
	if err != nil {
		return nil, fmt.Errorf("cannot encode what a preloader is told: %w", err)
	}
	if err := d.layOutPreloader(run, string(text)); err != nil {
		_ = d.disk.remove(run) // the keeper clears what is left at its next start
		return nil, fmt.Errorf("cannot make a preloader's directory: %w", err)
	}
	args := append(append([]string{c.interpreter}, c.options...), filepath.Join(run, "preload.py"), filepath.Join(run, "setup.json"),
		strings.Repeat(" ", argumentRoom))
	m := memo{Preload: &preloadMemo{Key: c.key, Fingerprint: fingerprint}}
	return &keeper.Start{
		Launch: launch, Generation: "preload-" + launch, Workspace: "preloader of " + c.kind, Nonce: fresh(),
		Program: c.interpreter, Args: args, Dir: run, RunDir: run, Preloader: true, Memo: m.encode(), Sandbox: c.policy,
		Env: append(slices.Clone(c.environment), "HOME="+run, "TMPDIR="+temporary(run), preloadRoom+"="+strings.Repeat(" ", environmentRoom)),
		Namespaces: sandbox.Namespaces{
			IPC: true, Network: true, Mounts: true, Hidden: d.config.Data, Shown: run,
		},
		Log:    keeper.LogFile{Path: d.data.PreloadLog(c.kind), Limit: d.config.LogLimit},
		Signal: int(syscall.SIGTERM), Grace: preloadGrace,
	}, nil
}

// newLaunchName makes the id of a launch that is not the pool's.
func newLaunchName() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

func (d *Driver) layOutPreloader(run, setup string) error {
	dir, err := d.openRun(run, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	for name, text := range map[string]string{"preload.py": script.Script, "setup.json": setup} {
		file, err := d.disk.create(dir, name)
		if err != nil {
			return err
		}
		if err := errors.Join(d.disk.write(file, text), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// await returns when the preloader takes orders, or will not.
func (p *preloader) await(d *Driver) error {
	deadline := time.NewTimer(preloadPatience)
	defer deadline.Stop()
	poll := time.NewTicker(preloadPoll)
	defer poll.Stop()
	w := p.worker
	for {
		select {
		case <-w.exited:
			p.read() // it may have said why
		case <-poll.C:
			if !closed(w.settled) || !p.read() { // the process may be faster than the keeper's word of it
				continue
			}
		case <-deadline.C:
			return fmt.Errorf("it takes longer than %v", preloadPatience)
		case <-d.closing:
			return errors.New("the router ends")
		}
		switch {
		case w.refused != nil && closed(w.settled):
			return errors.New(w.refused.Text)
		case p.ready.Refused != "":
			return errors.New(p.ready.Refused)
		case closed(w.exited) || p.ready.Version != script.Version:
			return fmt.Errorf("it ended; its last words are in %q", d.data.PreloadLog(p.class.kind))
		}
		return nil
	}
}

// read takes in what the preloader has said; false where it has not yet.
func (p *preloader) read() bool {
	text, err := os.ReadFile(filepath.Join(p.worker.values.run, "ready.json"))
	return err == nil && json.Unmarshal(text, &p.ready) == nil
}
