package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// preflightFor is how long a browser may keep the answer to a preflight request.
const preflightFor = 10 * time.Minute

// What pages of other origins may send and read. Credentials of a browser's own, cookies above all, are not among it: such a
// page has to know a key.
var (
	crossMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	crossHeaders = "Authorization, Content-Type, LIGHTRAG-WORKSPACE, Prefer, X-API-Key, X-Chroma-Token, X-Request-Id, X-Workspace-ID"
	crossExposed = "LIGHTRAG-WORKSPACE, Retry-After, X-Request-Id, X-Router-Error"
)

// AllowOrigins lets pages of other origins use a handler: those of the list, or all with "*". Preflight requests are
// answered here. With an empty list it gives the handler itself.
func AllowOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	all := slices.Contains(origins, "*")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if !all {
			h.Add("Vary", "Origin")
		}
		given := r.Header["Origin"]
		allowed := len(given) == 1 && (all || slices.ContainsFunc(origins, func(origin string) bool { return strings.EqualFold(origin, given[0]) }))
		if !allowed {
			next.ServeHTTP(w, r)
			return
		}
		value := given[0]
		if all {
			value = "*"
		}
		if preflight(r) {
			h.Set("Access-Control-Allow-Origin", value)
			h.Set("Access-Control-Allow-Methods", crossMethods)
			h.Set("Access-Control-Allow-Headers", crossHeaders)
			h.Set("Access-Control-Max-Age", strconv.Itoa(int(preflightFor/time.Second)))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(&crossWriter{ResponseWriter: w, origin: value}, r)
	})
}

// crossWriter says at the last moment who may read an answer: what was written before is cleared where an error takes the
// place of another answer.
type crossWriter struct {
	http.ResponseWriter
	origin string
	begun  bool
}

// WriteHeader begins the answer.
func (w *crossWriter) WriteHeader(status int) {
	if !w.begun && status >= 200 {
		w.begun = true
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", w.origin)
		h.Set("Access-Control-Expose-Headers", crossExposed)
		if w.origin != "*" && !slices.Contains(h["Vary"], "Origin") {
			h.Add("Vary", "Origin")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer where nobody has.
func (w *crossWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what this writer does not do itself.
func (w *crossWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError sends what is buffered.
func (w *crossWriter) FlushError() error {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}
