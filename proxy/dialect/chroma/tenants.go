package chroma

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"workspace-router/internal/kind"
)

// ownTenant is the tenant that every Chroma has, and that clients are in unless told otherwise.
const ownTenant = "default_tenant"

// longestShown is how much of an answer about collections is read to be told with another tenant, in bytes.
const longestShown = 16 << 20

// NameTenants is for a data plane that takes Chroma's tenant in the path for a workspace and asks the worker's own tenant:
// in the answers about tenants, databases and collections that is called what the client called it, because clients go on
// with the tenant that they are told. Answers about documents pass as they come.
func NameTenants(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, about := tenantOf(r)
		if !about {
			next.ServeHTTP(w, r)
			return
		}
		held := &shown{ResponseWriter: w, tenant: tenant}
		r = r.Clone(r.Context())
		r.Header.Del("Accept-Encoding") // what is read has to be plain
		next.ServeHTTP(held, r)
		held.finish()
	})
}

// tenantOf gives the tenant in a path, if the answer may name it.
func tenantOf(r *http.Request) (tenant string, about bool) {
	path, err := kind.ParsePath(r.URL.EscapedPath())
	if err != nil || path.Ambiguous {
		return "", false
	}
	rest, found := strings.CutPrefix(path.Decoded, "/api/v2/tenants/")
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	if !found || parts[0] == "" || parts[0] == ownTenant {
		return "", false
	}
	// {tenant}/databases/{database}/collections/{collection}, and what is not about its documents.
	return parts[0], len(parts) <= 5 || len(parts) == 6 && (parts[4] == "by-id" || parts[5] == "fork")
}

// shown is an answer that is kept until its end. One that is too large for that is cut off as an error.
type shown struct {
	http.ResponseWriter
	tenant  string
	status  int
	content bytes.Buffer
	large   bool
}

// SetReadDeadline and EnableFullDuplex are the only ones that reach through: bodies have their bounds as ever, and an
// answer that is kept must not be sent past this.
func (s *shown) SetReadDeadline(at time.Time) error {
	return http.NewResponseController(s.ResponseWriter).SetReadDeadline(at)
}

// EnableFullDuplex lets an answer come before the body's end.
func (s *shown) EnableFullDuplex() error {
	return http.NewResponseController(s.ResponseWriter).EnableFullDuplex()
}

// WriteHeader keeps the status.
func (s *shown) WriteHeader(status int) {
	if s.status == 0 && status >= 200 {
		s.status = status
	}
}

// Write keeps the content.
func (s *shown) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	if s.large = s.large || s.content.Len()+len(p) > longestShown; !s.large {
		s.content.Write(p)
	}
	return len(p), nil
}

// FlushError does nothing: the answer is sent as a whole.
func (s *shown) FlushError() error { return nil }

func (s *shown) finish() {
	if s.large {
		refuse(s.ResponseWriter, http.StatusBadGateway, "the answer is too large to be told by this tenant; ask for fewer with limit")
		return
	}
	content := s.content.Bytes()
	if s.status < http.StatusBadRequest {
		content = renamed(content, s.tenant)
	}
	s.Header().Set("Content-Length", strconv.Itoa(len(content)))
	s.ResponseWriter.WriteHeader(max(s.status, http.StatusOK))
	_, _ = s.ResponseWriter.Write(content)
}

// renamed puts the client's word for the tenant into an object, or a list of objects. What is neither stays as it is.
func renamed(content []byte, tenant string) []byte {
	var list []map[string]json.RawMessage
	var one map[string]json.RawMessage
	switch {
	case json.Unmarshal(content, &one) == nil:
		rename(one, tenant)
		return encoded(one, content)
	case json.Unmarshal(content, &list) == nil:
		for _, each := range list {
			rename(each, tenant)
		}
		return encoded(list, content)
	}
	return content
}

// rename changes the field that holds the tenant: "tenant", or "name" of the tenant itself, which has an owner's name beside.
func rename(object map[string]json.RawMessage, tenant string) {
	named, err := json.Marshal(tenant)
	if err != nil {
		return
	}
	_, itself := object["resource_name"]
	for _, field := range slices.Concat([]string{"tenant"}, map[bool][]string{true: {"name"}}[itself]) {
		if string(object[field]) == `"`+ownTenant+`"` {
			object[field] = named
		}
	}
}

func encoded(value any, otherwise []byte) []byte {
	if text, err := json.Marshal(value); err == nil {
		return text
	}
	return otherwise
}
