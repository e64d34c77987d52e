package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"workspace-router/configs"
	"workspace-router/internal/admin"
	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

// Why the configuration was read anew, in events.
const (
	reloadFile     = "file"     // one of its files has changed
	reloadSignal   = "signal"   // SIGHUP
	reloadOperator = "operator" // by the API
)

// reloader reads the configuration anew when there is a reason to, one time after the other. Its watcher has seen the
// files as they were when the configuration that counts at first was read: a router that follows another runs only when
// that gives way, and an edit in between is one.
type reloader struct {
	source  configs.Source
	hangup  <-chan os.Signal
	running func() *configs.Config                               // what counts
	apply   func(configs.Config) error                           // makes another count, or refuses it and changes nothing
	note    func(of supervisor.EventType, reason, detail string) // is told what came of it
	watch   watcher
	asked   chan chan<- outcome
	ended   chan struct{} // closed when Run is over
}

// outcome is what came of a reload.
type outcome struct {
	reload admin.Reload
	err    error
}

// Run reloads until ctx ends, and returns nil.
func (r *reloader) Run(ctx context.Context) error {
	defer close(r.ended)
	timer := time.NewTimer(watchEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangup:
			r.reload(reloadSignal)
		case answer := <-r.asked:
			answer <- r.reload(reloadOperator)
		case now := <-timer.C:
			due, again := r.watch.check(now)
			if due {
				r.reload(reloadFile)
			}
			timer.Reset(again)
		}
	}
}

// Reload has the configuration read now, and says what came of it.
func (r *reloader) Reload(ctx context.Context) (admin.Reload, error) {
	answer := make(chan outcome, 1)
	select {
	case r.asked <- answer:
	case <-r.ended:
		return admin.Reload{}, workspace.ErrClosing
	case <-ctx.Done():
		return admin.Reload{}, context.Cause(ctx)
	}
	select {
	case o := <-answer:
		return o.reload, o.err
	case <-ctx.Done():
		return admin.Reload{}, context.Cause(ctx)
	}
}

// reload reads, compares and applies.
func (r *reloader) reload(reason string) outcome {
	loaded, warnings, err := r.load()
	var changes []configs.Change
	if err == nil {
		running := r.running()
		changes = running.Changes(&loaded)
		err = r.apply(running.Adopt(loaded))
	}
	if err != nil {
		r.note(supervisor.EventConfigRefused, reason, err.Error())
		return outcome{err: fmt.Errorf("%w:\n%w", problem.ErrConfigInvalid, err)}
	}
	r.note(supervisor.EventConfigReloaded, reason, summary(changes))
	return outcome{reload: toldChanges(changes, warnings)}
}

// load reads the files as they are now. Where they name other files than before, it reads once more, so that a change
// after the reading is always one to what the watcher has seen.
func (r *reloader) load() (configs.Config, []configs.Warning, error) {
	files := r.watch.files()
	for {
		r.watch.read(files)
		config, warnings, err := configs.Load(r.source)
		before := len(files)
		for _, path := range config.Files {
			if !slices.Contains(files, path) {
				files = append(files, path)
			}
		}
		if len(files) == before {
			r.watch.forget(config.Files)
			return config, warnings, err
		}
	}
}

// summary tells the changes in one line.
func summary(changes []configs.Change) string {
	if len(changes) == 0 {
		return "nothing is different"
	}
	parts := make([]string, len(changes))
	for i, change := range changes {
		parts[i] = fmt.Sprintf("%s: %s, now %s", change.Key, valueText(change.Old), valueText(change.New))
		if change.Applies != configs.AtOnce {
			parts[i] += " (takes effect " + change.Applies.String() + ")"
		}
	}
	return strings.Join(parts, "; ")
}

// toldChanges gives the changes the form of the API.
func toldChanges(changes []configs.Change, warnings []configs.Warning) admin.Reload {
	answer := admin.Reload{Changed: []admin.ConfigChange{}, AtNextStart: []admin.ConfigChange{}, Warnings: []string{}}
	for _, change := range changes {
		one := admin.ConfigChange{Key: change.Key, Old: change.Old, New: change.New, From: change.From, Applies: change.Applies.String()}
		if change.Applies == configs.AtNextStart {
			answer.AtNextStart = append(answer.AtNextStart, one)
			continue
		}
		answer.Changed = append(answer.Changed, one)
	}
	for _, warning := range warnings {
		answer.Warnings = append(answer.Warnings, warning.String())
	}
	return answer
}
