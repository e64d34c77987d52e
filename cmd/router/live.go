package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"workspace-router/configs"
	"workspace-router/internal/admin"
	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
	"workspace-router/proxy"
	"workspace-router/supervisor"
)

// live is what counts of the configuration at one moment: what requests, launches and operators read of it. It is made
// as a whole, not changed, and swapped as a whole, so that nobody sees half of a change.
type live struct {
	config   configs.Config
	settings proxy.Settings
	projects proxy.Settings // of the project listener
	kinds    admin.Kinds
	environ  []string // what the kinds' allow-lists choose from
}

func newLive(config configs.Config) (*live, error) {
	name, err := workspace.ParseName(config.DefaultWorkspace)
	if err != nil {
		return nil, fmt.Errorf("cannot use the default workspace: %w", err)
	}
	l := &live{
		config: config,
		settings: proxy.Settings{
			DefaultWorkspace: name,
			AllowDefault:     config.AllowDefaultWorkspace,
			Anonymous:        anonymous(config.Anonymous),
			AutoCreate:       config.AutoCreate == configs.AutoCreateAuthorized,
			DefaultKind:      config.DefaultKind,
			BaseDomain:       config.BaseDomain,
			SharedOrigins:    config.Origins == configs.OriginsShared,
			SessionLifetime:  config.SessionTTL,
			MaxBody:          int64(config.Limits.Body),
			MaxWait:          config.Pool.Wait,
			BodyTimeout:      config.Limits.BodyTimeout,
			TrustedProxies:   configs.Networks(config.TrustedProxies),

			MaxInFlight: config.Limits.InFlight, MaxInFlightPerWorkspace: config.Limits.InFlightPerWorkspace,
			Kinds: profiles(config.Profiles),
		},
		kinds:   admin.Kinds{Default: config.DefaultKind, Names: slices.Sorted(maps.Keys(config.Profiles)), Resumable: resumable(config.Profiles)},
		environ: config.Environment.List(),
	}
	if err := l.settings.Check(); err != nil {
		return nil, fmt.Errorf("cannot use the configuration: %w", err)
	}
	l.projects = projectSettings(l.settings, config.Projects)
	return l, nil
}

// anonymous is the configured word in the proxy's terms.
func anonymous(word string) proxy.Anonymous {
	if word == configs.AnonymousOff {
		return proxy.AnonymousNothing
	}
	return proxy.Anonymous(word)
}

// idleTimeout is the workspace's own, else its kind's, and says which, in the words of supervisor.Spec.
func (l *live) idleTimeout(w *workspace.Workspace) (timeout time.Duration, of string) {
	if w.IdleTimeout != 0 {
		return w.IdleTimeout, "workspace"
	}
	switch own := l.config.Kind[w.Kind].IdleTimeout; {
	case own == nil:
		return 0, ""
	case *own <= 0:
		return -1, "kind"
	default:
		return *own, "kind"
	}
}

// resume is what becomes of work that a worker left unfinished: the workspace's own policy, else its kind's.
func (l *live) resume(w *workspace.Workspace) kind.Resume {
	return cmp.Or(kind.Resume(w.Resume), l.config.Kind[w.Kind].Resume, kind.ResumeOff)
}

// resumable are the kinds whose workers can be told to go on with such work.
func resumable(profiles map[string]*kind.Kind) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		if profiles[name].Resumable() {
			names = append(names, name)
		}
	}
	return names
}

// poolConfig is the pool's part of the configuration.
func poolConfig(config *configs.Config, node string) supervisor.Config {
	pool := config.Pool
	limits := supervisor.Defaults()
	limits.Node = node
	limits.MaxWorkers = pool.MaxWorkers
	limits.Memory, limits.Files = int64(pool.Memory), int64(pool.Files)
	limits.TenantMaxWorkers, limits.TenantMaxLeases = pool.TenantMaxWorkers, pool.TenantMaxStreams
	for _, profile := range config.Profiles {
		limits.LargestCost.Memory = max(limits.LargestCost.Memory, profile.Cost.Memory)
		limits.LargestCost.Files = max(limits.LargestCost.Files, profile.Cost.Files)
	}
	limits.WaitersPerWorkspace = pool.WaitersPerWorkspace
	limits.WaitersTotal = pool.WaitersTotal
	limits.Wait = pool.Wait
	limits.Patience = pool.Patience
	limits.MinResidency = pool.MinimumResidency
	limits.StartConcurrency = pool.StartConcurrency
	limits.ResumeAtOnce = pool.ResumeAtOnce
	limits.IdleTimeout = pool.IdleTimeout
	limits.DrainTimeout = pool.DrainTimeout
	return limits
}
