package proxy

import (
	"errors"
	"net/http"
	"strings"

	"workspace-router/internal/workspace"
)

// Names of the session's cookie. The second is for TLS: browsers let no other host set a cookie whose name begins so.
const (
	sessionCookie       = "router_session"
	sessionCookieSecure = "__Host-router_session"
)

// maxSessions is how many cookies of these names are tried: another host below the same domain may have planted some.
const maxSessions = 4

// credentialInHeader reports whether a header decides who asks. On a browser's host a guest's token, which pages send
// because they got one, does not.
func (c *chain) credentialInHeader(x *exchange) bool {
	if !x.browser {
		return hasCredential(x.r.Header)
	}
	return !c.withoutCredential(x.r.Header)
}

// resume finds the session that a browser's cookie stands for.
func (c *chain) resume(x *exchange) (*workspace.Principal, error) {
	for _, token := range sessionCookies(x.r) {
		principal, err := c.deps.Sessions.ResumeSession(x.r.Context(), token)
		if errors.Is(err, workspace.ErrUnauthenticated) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := checkOrigin(x); err != nil {
			return nil, err
		}
		x.session = token
		return principal, nil
	}
	return nil, workspace.ErrUnauthenticated
}

// sessionCookies gives the values of the session's cookies, those first that no other host can have set.
func sessionCookies(r *http.Request) []string {
	var tokens []string
	for _, name := range [...]string{sessionCookieSecure, sessionCookie} {
		for _, cookie := range r.CookiesNamed(name) {
			if cookie.Value != "" && len(tokens) < maxSessions {
				tokens = append(tokens, cookie.Value)
			}
		}
	}
	return tokens
}

// workersCookies is the Cookie header without the router's own cookies, byte for byte; blank where nothing is left.
func workersCookies(h http.Header) string {
	var kept []string
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			part = strings.TrimSpace(part)
			if part != "" && !ownCookie(part) {
				kept = append(kept, part)
			}
		}
	}
	return strings.Join(kept, "; ")
}

// ownCookie reports whether a cookie, written as "name=value…", has one of the router's names.
func ownCookie(cookie string) bool {
	name, _, _ := strings.Cut(cookie, "=")
	name = strings.TrimSpace(name)
	return strings.EqualFold(name, sessionCookie) || strings.EqualFold(name, sessionCookieSecure)
}

// withoutOwnCookies drops what a worker would set under the router's names.
func withoutOwnCookies(cookies []string) []string {
	kept := cookies[:0]
	for _, cookie := range cookies {
		if !ownCookie(cookie) {
			kept = append(kept, cookie)
		}
	}
	return kept
}

// setCookie gives the browser a session, or with a blank token takes it away. It is sent to this host alone, and under
// a prefix to this workspace alone.
func (x *exchange) setCookie(token string, seconds int) {
	cookie := http.Cookie{
		Name: sessionCookie, Value: token, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: secure(x), SameSite: http.SameSiteLaxMode,
	}
	if !x.onHost {
		cookie.Path = x.prefix
	} else if cookie.Secure {
		cookie.Name = sessionCookieSecure
	}
	http.SetCookie(&x.w, &cookie)
}
