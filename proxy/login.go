package proxy

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// The router's own corner of a workspace's host.
const (
	ownCorner  = "/.router"
	logInPath  = ownCorner + "/login"
	logOutPath = ownCorner + "/logout"
)

const (
	maxLogIn        = 8 << 10 // bytes of a log-in's form
	maxKey          = 512     // bytes of a key
	maxNext         = 2 << 10 // bytes of the path to go to after it
	defaultLifetime = 12 * time.Hour
)

// answerLogIn serves what is below /.router/. It is never the worker's, also where there is no log-in.
func (c *chain) answerLogIn(x *exchange) error {
	if !below(x.path.Decoded, ownCorner) {
		return nil
	}
	read := x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
	write := x.r.Method == http.MethodPost
	switch path := x.path.Decoded; {
	case !x.browser || path != logInPath && path != logOutPath:
		return problem.ErrNoSuchRoute
	case path == logInPath && read:
		return c.page.write(x, http.StatusOK, x.own(logInPath), localPath(x.r.URL.Query().Get("next")), "")
	case path == logInPath && write:
		return c.logIn(x)
	case path == logOutPath && read:
		return c.page.writeLogOut(x, x.own(logOutPath))
	case path == logOutPath && write:
		return c.logOut(x)
	}
	return problem.ErrMethodNotAllowed
}

// own is the path of something of the router's own as the browser has to write it.
func (x *exchange) own(path string) string {
	if x.onHost {
		return path
	}
	return x.prefix + path
}

// logIn takes a key and gives a session. A wrong key, and a workspace that is not there or that the key does not see,
// are the same answer.
func (c *chain) logIn(x *exchange) error {
	if err := checkForm(x); err != nil {
		return err
	}
	var named selectors
	if err := c.readSelectors(x, &named); err != nil {
		return err
	}
	form, err := c.readForm(x)
	if err != nil {
		return err
	}
	next := localPath(form.Get("next"))
	if wait := c.throttle.wait(x.record.Client); wait > 0 {
		x.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return c.page.write(x, http.StatusTooManyRequests, x.own(logInPath), next, "Too many attempts. Wait a little before the next one.")
	}
	key := strings.TrimSpace(form.Get("key"))
	found, err := c.admit(x, key, &named)
	switch {
	case errors.Is(err, workspace.ErrUnauthenticated), errors.Is(err, workspace.ErrNotFound), errors.Is(err, workspace.ErrAmbiguous):
		c.throttle.failed(x.record.Client)
		c.deps.Observer.Metrics.AuthFailures.Inc()
		return c.page.write(x, http.StatusUnauthorized, x.own(logInPath), next, "This key is not valid here, or there is no such workspace.")
	case err != nil:
		return err
	}
	lifetime := x.settings.SessionLifetime
	if lifetime == 0 {
		lifetime = defaultLifetime
	}
	token, err := c.deps.Sessions.OpenSession(key, x.principal, found.Ref, lifetime)
	if err != nil {
		return err
	}
	x.setCookie(token, int(lifetime.Seconds()))
	if next == "" {
		next = x.own("/")
	}
	x.redirect(http.StatusSeeOther, next)
	return nil
}

// admit finds out who the key stands for and whether they see the workspace; nothing is made.
func (c *chain) admit(x *exchange, key string, named *selectors) (workspace.Workspace, error) {
	if key == "" || len(key) > maxKey {
		return workspace.Workspace{}, workspace.ErrUnauthenticated
	}
	principal, err := c.deps.Authenticator.AuthenticateToken(x.r.Context(), key)
	if err != nil {
		return workspace.Workspace{}, err
	}
	x.principal, x.record.Principal = principal, principal.ID
	first := named.list[0]
	var found workspace.Workspace
	if first.generation != "" {
		found, err = c.deps.Directory.LookupGeneration(x.r.Context(), first.generation)
	} else {
		found, err = c.look(x, first, x.candidates(first))
	}
	switch {
	case err != nil:
		return workspace.Workspace{}, err
	case found.State == workspace.StateDeleted || !principal.Sees(found.Ref):
		return workspace.Workspace{}, workspace.ErrNotFound
	}
	for _, other := range named.list[1:named.n] {
		if !first.same(other) && !c.agrees(x, first, other, found.Ref) {
			return workspace.Workspace{}, workspace.ErrNotFound
		}
	}
	return found, nil
}

// readForm reads a small form, within a time.
func (c *chain) readForm(x *exchange) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, fmt.Errorf("%w: want a form, as application/x-www-form-urlencoded", problem.ErrBadRequest)
	}
	if x.r.ContentLength > maxLogIn {
		return nil, fmt.Errorf("%w: a log-in has at most %d bytes", workspace.ErrBodyTooLarge, maxLogIn)
	}
	if x.body.ReadCloser == nil {
		return url.Values{}, nil
	}
	defer x.hurry()()
	content, err := io.ReadAll(io.LimitReader(&x.body, maxLogIn+1))
	switch {
	case err != nil:
		return nil, explainBody(err)
	case len(content) > maxLogIn:
		return nil, fmt.Errorf("%w: a log-in has at most %d bytes", workspace.ErrBodyTooLarge, maxLogIn)
	}
	form, err := url.ParseQuery(string(content))
	if err != nil {
		return nil, fmt.Errorf("%w: the form cannot be read", problem.ErrBadRequest)
	}
	return form, nil
}

// bodyPatience is how long a client may take to send what the router itself reads of a body.
const bodyPatience = 10 * time.Second

// hurry bounds reading from the client until the function that it gives is called.
func (x *exchange) hurry() (relax func()) {
	controller := http.NewResponseController(x.w.ResponseWriter)
	// Where there are no deadlines, as in HTTP/2 without a connection of its own, the server's other limits hold.
	_ = controller.SetReadDeadline(time.Now().Add(bodyPatience))
	return func() { _ = controller.SetReadDeadline(time.Time{}) }
}

// logOut takes the cookie away. The session itself lasts until its time or its key ends.
func (c *chain) logOut(x *exchange) error {
	if err := checkForm(x); err != nil {
		return err
	}
	x.setCookie("", -1)
	x.redirect(http.StatusSeeOther, x.own(logInPath))
	return nil
}

// redirect sends the browser elsewhere; nobody remembers that.
func (x *exchange) redirect(status int, location string) {
	h := x.w.Header()
	h.Set("Location", location)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "0")
	x.w.WriteHeader(status)
	x.answered = true
}

// localPath gives the path if a browser takes it for one of this host, whatever else it might read into it; else "".
func localPath(path string) string {
	if path == "" || len(path) > maxNext || path[0] != '/' || strings.HasPrefix(path, "//") {
		return ""
	}
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return ""
		}
	}
	return path
}
