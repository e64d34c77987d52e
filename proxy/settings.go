package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"workspace-router/internal/workspace"
)

// Settings are what may change while the chain serves. A request goes by those that are in force when it comes, all of
// one moment, until it ends. They are not changed once the chain has seen them: others take their place.
type Settings struct {
	// DefaultWorkspace is what a request without a selector gets, in the tenant "default".
	DefaultWorkspace workspace.Name
	// AllowDefault says whether such a request is served at all.
	AllowDefault bool
	// Anonymous says what a request without a credential may reach.
	Anonymous Anonymous
	// AutoCreate makes a workspace that is not there yet for a principal who may create it.
	AutoCreate bool
	// DefaultKind is the kind of workspaces made so.
	DefaultKind string
	// BaseDomain is where workspaces have hosts, {label}.{base domain}, beside localhost; in lower case, blank for none.
	BaseDomain string
	// SharedOrigins says that all workspaces are one trust domain: pages are served, and cookies count, under /w/… too.
	SharedOrigins bool
	// SessionLifetime is how long a log-in lasts; 0 is 12 h.
	SessionLifetime time.Duration
	// MaxBody bounds a request's body, in bytes, where the kind does not; it must be above 0.
	MaxBody int64
	// BodyTimeout is how long a client may take over a body, beside a second for each KiB of it; it must be above 0.
	BodyTimeout time.Duration
	// MaxInFlight and MaxInFlightPerWorkspace bound the requests that are open at one time; both must be above 0.
	MaxInFlight, MaxInFlightPerWorkspace int
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Proto count.
	TrustedProxies []netip.Prefix
	// MaxWait is the longest wait for a worker that a client may choose by "Prefer: wait"; 0 leaves clients no choice.
	MaxWait time.Duration
	// Kinds are the profiles.
	Kinds Kinds
}

// Check names everything that is wrong.
func (s *Settings) Check() error {
	var problems []error
	if _, err := workspace.ParseName(string(s.DefaultWorkspace)); err != nil {
		problems = append(problems, fmt.Errorf("the default workspace: %w", err))
	}
	switch s.Anonymous {
	case AnonymousNothing, AnonymousWorkspace, AnonymousTenant:
	default:
		problems = append(problems, fmt.Errorf("requests without a credential may reach %q, which is unknown", s.Anonymous))
	}
	if s.MaxBody <= 0 {
		problems = append(problems, fmt.Errorf("the largest body is %d bytes, want more than 0", s.MaxBody))
	}
	if s.BodyTimeout <= 0 || s.MaxInFlight <= 0 || s.MaxInFlightPerWorkspace <= 0 {
		problems = append(problems, fmt.Errorf("a body may take %v, %d requests may be open, %d of one workspace, want more than 0",
			s.BodyTimeout, s.MaxInFlight, s.MaxInFlightPerWorkspace))
	}
	if s.MaxWait < 0 {
		problems = append(problems, fmt.Errorf("the longest wait is %v, want 0 or more", s.MaxWait))
	}
	if s.SessionLifetime < 0 {
		problems = append(problems, fmt.Errorf("a session lasts %v, want 0 or more", s.SessionLifetime))
	}
	if s.AutoCreate && s.DefaultKind == "" {
		problems = append(problems, errors.New("workspaces are made on demand, but there is no default kind"))
	}
	if s.Kinds == nil {
		problems = append(problems, errors.New("there are no kinds"))
	}
	return errors.Join(problems...)
}
