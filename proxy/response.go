package proxy

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// modifyResponse makes the answer that the client sees of the one that the worker gave.
func modifyResponse(response *http.Response) error {
	x := exchangeOf(response.Request.Context())
	h := response.Header
	cleanResponse(h)
	// Only an answer of unknown length can have trailers. One that changes the protocol has none, and a body that is
	// more than a reader.
	if response.ContentLength < 0 && response.StatusCode != http.StatusSwitchingProtocols {
		cleanTrailer(response.Trailer) // what is announced
		response.Body = &trailedBody{response.Body, response}
	}
	response.Body = relayed(response, &x.w)
	cookies := h["Set-Cookie"]
	if len(cookies) > 0 {
		cookies = withoutOwnCookies(cookies)
		h["Set-Cookie"] = cookies
	}
	for i, cookie := range cookies {
		cookies[i] = rewriteCookie(cookie, x.prefix)
	}
	if x.prefix != "" {
		for _, name := range []string{"Location", "Content-Location"} {
			if value := h.Get(name); value != "" {
				h.Set(name, rewriteLocation(value, x.prefix, x.r.Host))
			}
		}
	}
	return nil
}

// overreaching are the headers by which a worker would speak for the whole origin, or for the router.
var overreaching = []string{
	"Service-Worker-Allowed", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc", "Nel", "Report-To",
	"Reporting-Endpoints", headerRequestID, headerWorkspace,
}

// overreachingPrefixes are groups of such headers. Which origins may read is decided by the router alone.
var overreachingPrefixes = []string{"Access-Control-", "X-Router-"}

func cleanResponse(h http.Header) {
	for _, name := range overreaching {
		delete(h, name)
	}
	for name := range h {
		for _, prefix := range overreachingPrefixes {
			if strings.HasPrefix(name, prefix) {
				delete(h, name)
			}
		}
	}
}

// trailedBody cleans the trailers that came behind an answer's body, announced or not. They are passed on only once it
// is closed.
type trailedBody struct {
	io.ReadCloser
	response *http.Response
}

// Close closes the body, by which its trailers are complete, and cleans them.
func (b *trailedBody) Close() error {
	err := b.ReadCloser.Close()
	cleanTrailer(b.response.Trailer)
	return err
}

// cleanTrailer removes what the router removes from headers, and what has no place in a trailer: the references and
// cookies that it rewrites in headers, and the headers of HTTP itself.
func cleanTrailer(trailer http.Header) {
	cleanResponse(trailer)
	for name := range trailer {
		switch {
		case framing[name], name == "Set-Cookie", name == "Location", name == "Content-Location":
			delete(trailer, name)
		}
	}
}

// rewriteCookie keeps a worker's cookie to the host and, under a prefix, to the workspace.
func rewriteCookie(cookie, prefix string) string {
	parts := strings.Split(cookie, ";")
	kept := parts[:1]
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "domain":
			continue
		case "path":
			if path := strings.TrimSpace(value); prefix != "" && strings.HasPrefix(path, "/") {
				part = " Path=" + underPrefix(path, prefix)
			}
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ";")
}

// rewriteLocation puts the prefix back into a reference to the worker itself: a path, or a URL with the host by which
// the client came. Others stay as they are.
func rewriteLocation(location, prefix, host string) string {
	u, err := url.Parse(location)
	if err != nil {
		return location
	}
	if u.Host == "" {
		if strings.HasPrefix(location, "/") && u.Scheme == "" {
			return underPrefix(location, prefix)
		}
		return location
	}
	if !strings.EqualFold(u.Host, host) || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return location
	}
	start := strings.Index(location, "//") + 2
	end := strings.IndexAny(location[start:], "/?#")
	if end < 0 {
		return location + prefix + "/"
	}
	return location[:start+end] + underPrefix(location[start+end:], prefix)
}

// underPrefix puts the prefix before a path, unless the worker, which was told of it, has done so.
func underPrefix(path, prefix string) string {
	if below(path, prefix) || strings.HasPrefix(path, prefix+"?") || strings.HasPrefix(path, prefix+"#") {
		return path
	}
	return prefix + path
}
