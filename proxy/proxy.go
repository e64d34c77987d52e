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
)

// Config of the chain, which does not change. What may change is in Settings.
type Config struct {
	// AnswerTimeout is how long a worker may take until its answer begins; 0 is 15 minutes. No deadline cuts an answer
	// that has begun.
	AnswerTimeout time.Duration
	// HeaderBytes is the largest head of a request that is served; 0 is 64 KiB.
	HeaderBytes int
	// Hosts are names under which the listener is reached beside localhost and loopback addresses.
	Hosts []string
	// Version is what the short form of /health says.
	Version string
	// Bound is the workspace, "name" or "tenant.name", that every request of the listener is for; blank for none. Its
	// clients know a host and a port only, and everything that they ask for is the worker's.
	Bound string
	// Projects makes it a listener for Chroma's projects; nil is none.
	Projects *Projects
}

const defaultAnswerTimeout = 15 * time.Minute

// check fills in the defaults.
func (c *Config) check() error {
	if c.AnswerTimeout == 0 {
		c.AnswerTimeout = defaultAnswerTimeout
	}
	if c.HeaderBytes == 0 {
		c.HeaderBytes = defaultHeaderBytes
	}
	if c.AnswerTimeout < 0 || c.HeaderBytes < 0 {
		return fmt.Errorf("the answer timeout is %v, the largest head %d bytes, want more than 0", c.AnswerTimeout, c.HeaderBytes)
	}
	return nil
}

// chain is the data plane of one listener.
type chain struct {
	Config
	deps    Deps
	hosts   map[string]bool
	bound   selector // of the listener; without a name there is none
	health  []byte
	reverse *httputil.ReverseProxy

	page     *logInPage
	throttle *throttle
}

// New puts the chain together. The handler is safe for concurrent use and starts nothing.
func New(cfg Config, deps Deps) (http.Handler, error) {
	if err := errors.Join(cfg.check(), deps.check()); err != nil {
		return nil, fmt.Errorf("cannot make the data plane: %w", err)
	}
	c := &chain{Config: cfg, deps: deps, hosts: foldHosts(cfg.Hosts), health: shortHealth(cfg.Version)}
	if cfg.Bound != "" {
		var err error
		if c.bound, err = parseSelector(cfg.Bound, fromListener); err != nil {
			return nil, fmt.Errorf("cannot make the data plane: the bound workspace: %w", err)
		}
	}
	if deps.Admission == nil {
		c.deps.Admission = NewAdmission()
	}
	var err error
	if c.page, err = newLogInPage(); err != nil {
		return nil, fmt.Errorf("cannot make the data plane: %w", err)
	}
	if c.throttle, err = newThrottle(); err != nil {
		return nil, fmt.Errorf("cannot make the data plane: %w", err)
	}
	c.reverse = c.newReverse()
	return &recorder{Observer: deps.Observer, next: c.serve}, nil
}

// serve is a request's way. Each step adds to the exchange what the later ones need; the first error ends it and is
// answered by the recorder, which is around all this.
func (c *chain) serve(x *exchange) error {
	x.settings = c.deps.Settings()
	defer c.deps.Admission.leave(x)
	for _, step := range [...]func(*exchange) error{
		c.readClient,
		c.checkHead,
		c.readPath,
		c.readHost,
		c.checkHost,
		c.answerPublic,
		c.answerOwn,
		c.countOpen,
		c.sendToHost,
		c.answerLogIn,
		c.authenticate,
		c.answerModels,
		c.answerProjects,
		c.selectWorkspace,
		c.classify,
		c.authorise,
		c.answerGuestRoute,
		c.checkUpgrade,
		c.limitBody,
		c.countOpenOfWorkspace,
		c.forward,
	} {
		if err := step(x); err != nil {
			return c.browserInstead(x, x.credentialMissing(c.healthInstead(x, err)))
		}
		if x.answered {
			return nil
		}
	}
	return nil
}
