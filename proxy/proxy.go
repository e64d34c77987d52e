// Package proxy is the data plane: it takes a request from the listener to the worker of its workspace, and the answer
// back. It owns the chain (New puts it together, one file per step), selection, the rules about headers and paths, and
// the http.Server. It never starts a worker, reads a database or knows a password: those are the dependencies that it
// declares in deps.go. It starts no goroutine of its own beyond those of net/http; a request's steps run one after the
// other in the goroutine that serves it.
package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"time"

	"workspace-router/internal/workspace"
)

// Config of the chain.
type Config struct {
	// DefaultWorkspace is what a request without a selector gets, in the tenant "default"; empty is the name "default".
	DefaultWorkspace workspace.Name
	// AllowDefault says whether such a request is served at all.
	AllowDefault bool
	// AutoCreate makes a workspace that is not there yet for a principal who may create it.
	AutoCreate bool
	// DefaultKind is the kind of workspaces made so.
	DefaultKind string
	// MaxBody bounds a request's body, in bytes, where the kind does not; it must be above 0.
	MaxBody int64
	// AnswerTimeout is how long a worker may take until its answer begins; 0 is 15 minutes. No deadline cuts an answer
	// that has begun.
	AnswerTimeout time.Duration
	// Hosts are names under which the listener is reached beside localhost and loopback addresses.
	Hosts []string
	// Version is what the short form of /health says.
	Version string
}

const (
	defaultName          workspace.Name = "default"
	defaultAnswerTimeout                = 15 * time.Minute
)

// check fills in the defaults.
func (c *Config) check() error {
	if c.DefaultWorkspace == "" {
		c.DefaultWorkspace = defaultName
	}
	if c.AnswerTimeout == 0 {
		c.AnswerTimeout = defaultAnswerTimeout
	}
	var problems []error
	if _, err := workspace.ParseName(string(c.DefaultWorkspace)); err != nil {
		problems = append(problems, fmt.Errorf("the default workspace: %w", err))
	}
	if c.MaxBody <= 0 {
		problems = append(problems, fmt.Errorf("the largest body is %d bytes, want more than 0", c.MaxBody))
	}
	if c.AnswerTimeout < 0 {
		problems = append(problems, fmt.Errorf("the answer timeout is %v, want more than 0", c.AnswerTimeout))
	}
	if c.AutoCreate && c.DefaultKind == "" {
		problems = append(problems, errors.New("workspaces are made on demand, but there is no default kind"))
	}
	return errors.Join(problems...)
}

// chain is the data plane of one listener.
type chain struct {
	Config
	deps    Deps
	hosts   map[string]bool
	health  []byte
	reverse *httputil.ReverseProxy
}

// New puts the chain together. The handler is safe for concurrent use and starts nothing.
func New(cfg Config, deps Deps) (http.Handler, error) {
	if err := errors.Join(cfg.check(), deps.check()); err != nil {
		return nil, fmt.Errorf("cannot make the data plane: %w", err)
	}
	c := &chain{Config: cfg, deps: deps, hosts: foldHosts(cfg.Hosts), health: shortHealth(cfg.Version)}
	c.reverse = c.newReverse()
	return &recorder{Observer: deps.Observer, next: c.serve}, nil
}

// serve is a request's way. Each step adds to the exchange what the later ones need; the first error ends it and is
// answered by the recorder, which is around all this.
func (c *chain) serve(x *exchange) error {
	for _, step := range [...]func(*exchange) error{
		c.readPath,
		c.checkHost,
		c.answerPublic,
		c.answerOwn,
		c.authenticate,
		c.selectWorkspace,
		c.classify,
		c.authorise,
		c.checkUpgrade,
		c.limitBody,
		c.forward,
	} {
		if err := step(x); err != nil {
			return c.healthInstead(x, err)
		}
		if x.answered {
			return nil
		}
	}
	return nil
}
