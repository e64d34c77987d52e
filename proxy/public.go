package proxy

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// answerPublic answers what needs no credential, reaches no worker and says nothing of any workspace.
func (c *chain) answerPublic(x *exchange) error {
	switch {
	case preflight(x.r):
		// No origin is allowed: the answer names none, and the browser does not send the request that it asked for.
		x.w.Header().Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
		x.w.WriteHeader(http.StatusNoContent)
		x.answered = true
	case x.bare && c.guestRoute(x):
		return c.answerGuest(x)
	case x.bareHealth() && !hasCredential(x.r.Header) && !c.mayBeAnonymous(x.r, x.settings):
		c.answerHealth(x)
	}
	return nil
}

// preflight reports whether a browser asks whether it may send another request.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// answerOwn serves the routes that are the router's on the bare listener.
func (c *chain) answerOwn(x *exchange) error {
	if !x.bare {
		return nil
	}
	path := x.path.Decoded
	if c.Projects != nil && path == c.Projects.ListAt {
		return nil // which is below /api/v1
	}
	switch {
	case path == "/livez" || path == "/readyz" || path == "/workspaces" || below(path, "/api/v1"):
	case below(path, "/console") || path == "/metrics":
		return problem.ErrNoSuchRoute // the operator's listener has them
	default:
		return nil
	}
	x.answered = true
	x.serveOwn(c.deps.Own)
	return nil
}

func below(path, root string) bool {
	rest, found := strings.CutPrefix(path, root)
	return found && (rest == "" || rest[0] == '/')
}

// bareHealth reports whether the request asks how the router is, rather than a workspace by its path.
func (x *exchange) bareHealth() bool {
	return x.bare && x.path.Decoded == "/health" && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead)
}

// healthInstead answers a probe that named no workspace, and that no worker answers, with the router's own health: a
// probe must not fail because the default workspace is not there. Other errors stay as they are.
func (c *chain) healthInstead(x *exchange, err error) error {
	if !x.bareHealth() || x.w.status != 0 {
		return err
	}
	denied := errors.Is(err, workspace.ErrPermissionDenied) || errors.Is(err, workspace.ErrCold)
	absent := errors.Is(err, workspace.ErrRequired) || errors.Is(err, workspace.ErrNotFound) || errors.Is(err, workspace.ErrDeleted)
	if !denied && (!absent || x.explicit) {
		return err
	}
	c.answerHealth(x)
	return nil
}

func (c *chain) answerHealth(x *exchange) { x.answerJSON(c.health) }

// answerJSON ends the request with an answer of the router's own that nobody may keep.
func (x *exchange) answerJSON(content []byte) {
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(content)
	}
	x.answered = true
}

// shortHealth is the answer of /health without a worker, in the shape that LightRAG gives to clients without a
// credential.
func shortHealth(version string) []byte {
	content, err := json.Marshal(struct {
		Status             string `json:"status"`
		AuthMode           string `json:"auth_mode"`
		CoreVersion        string `json:"core_version"`
		APIVersion         string `json:"api_version"`
		WebUIAvailable     bool   `json:"webui_available"`
		WorkspaceAvailable bool   `json:"workspace_available"`
		APIDocsAvailable   bool   `json:"api_docs_available"`
		WebUITitle         string `json:"webui_title"`
		WebUIDescription   string `json:"webui_description"`
		AINoticeEnabled    bool   `json:"ai_content_notice_enabled"`
		PipelineBusy       bool   `json:"pipeline_busy"`
		PipelineActive     bool   `json:"pipeline_active"`
	}{Status: "healthy", AuthMode: "enabled", CoreVersion: version, APIVersion: version})
	if err != nil {
		return []byte(`{"status":"healthy"}`) // strings and booleans can always be written
	}
	return content
}
