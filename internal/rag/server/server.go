// Package server is the worker's HTTP API: LightRAG's routes and shapes over one workspace, and its Ollama emulation. It
// owns no data: documents are the store's, answers the engine's. It starts no goroutine.
package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/index"
	"workspace-router/internal/rag/store"
)

// Config of a server.
type Config struct {
	Version    string
	APIKey     string // empty: all is open
	Prefix     string // that paths may begin with
	Workspace  string
	Instance   string // answered by the authenticated /health
	WorkingDir string // of all workspaces, as it was given
	InputDir   string
	UploadDir  string // of this workspace
	ModelName  string // of the Ollama API
	ModelTag   string
	MaxUpload  int64 // bytes of a file
	MaxBody    int64 // bytes of another request
	TopK       int
	Patience   time.Duration // for a client that sends or takes nothing
	LLM        Model
	Embedding  Model
}

// Model is what /health tells of a model.
type Model struct{ Binding, Host, Name string }

// Documents is what the server needs of the store.
type Documents interface {
	Add(ctx context.Context, d store.Document, content string, place func() error) error
	Delete(ctx context.Context, id string, discard func(store.Document) error) error
	Documents(ctx context.Context, f store.Filter) ([]store.Document, int, error)
	Counts(ctx context.Context) (map[store.Status]int, error)
	Retry(ctx context.Context) (int, error)
}

// Pipeline is what the server needs of the indexer.
type Pipeline interface {
	Wake()
	Status() index.Status
	Cancel(ctx context.Context) (bool, error)
}

// Engine answers questions.
type Engine interface {
	Retrieve(ctx context.Context, q answer.Question) (answer.Found, error)
	Prepare(ctx context.Context, q answer.Question) (answer.Plan, error)
	Write(ctx context.Context, plan answer.Plan, emit func(string) error) error
}

// Deps are what a server works with.
type Deps struct {
	Documents Documents
	Pipeline  Pipeline
	Engine    Engine
	Log       *zap.Logger
}

// Server is the API. It is safe for concurrent use.
type Server struct {
	config Config
	deps   Deps
	key    [sha256.Size]byte
	mux    *http.ServeMux
}

// New makes a server. It starts nothing: hand it to an http.Server.
func New(config Config, deps Deps) (*Server, error) {
	if config.UploadDir == "" || config.MaxUpload < 1 || config.MaxBody < 1 || config.Patience <= 0 {
		return nil, errors.New("cannot serve without an upload directory, limits and patience")
	}
	s := &Server{config: config, deps: deps, key: sha256.Sum256([]byte(config.APIKey)), mux: http.NewServeMux()}
	for pattern, handle := range s.routes() {
		s.mux.HandleFunc(pattern, handle)
	}
	return s, nil
}

func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /{$}":                            s.root,
		"GET /health":                         s.health,
		"GET /auth-status":                    s.authStatus,
		"POST /login":                         s.login,
		"GET /auth/verify":                    s.verify,
		"GET /documents":                      s.listDocuments,
		"DELETE /documents":                   s.clearDocuments,
		"POST /documents/upload":              s.upload,
		"POST /documents/text":                s.insertText,
		"POST /documents/texts":               s.insertTexts,
		"POST /documents/paginated":           s.paginated,
		"GET /documents/status_counts":        s.statusCounts,
		"GET /documents/track_status/{id}":    s.trackStatus,
		"GET /documents/pipeline_status":      s.pipelineStatus,
		"GET /documents/supported_file_types": s.fileTypes,
		"DELETE /documents/delete_document":   s.deleteDocuments,
		"POST /documents/cancel_pipeline":     s.cancelPipeline,
		"POST /documents/reprocess_failed":    s.reprocessFailed,
		"POST /query":                         s.query,
		"POST /query/stream":                  s.queryStream,
		"POST /query/data":                    s.queryData,
		"GET /api/version":                    s.ollamaVersion,
		"GET /api/tags":                       s.ollamaTags,
		"GET /api/ps":                         s.ollamaPS,
		"POST /api/chat":                      s.ollamaChat,
		"POST /api/generate":                  s.ollamaGenerate,
	}
}

// public are the paths that need no key.
func public(path string) bool {
	return path == "/health" || path == "/auth-status" || path == "/login"
}

// ServeHTTP authenticates and routes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w, r = bounded(w, r, s.config.Patience)
	if s.config.Prefix != "" {
		if rest, ok := strings.CutPrefix(r.URL.Path, s.config.Prefix); ok && (rest == "" || rest[0] == '/') {
			r = withPath(r, rest)
		}
	}
	if !public(r.URL.Path) {
		if err := s.authenticate(r); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.unrouted(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func withPath(r *http.Request, path string) *http.Request {
	changed := r.Clone(r.Context())
	changed.URL.Path = path
	if path == "" {
		changed.URL.Path = "/"
	}
	changed.URL.RawPath = ""
	return changed
}

// unrouted answers as LightRAG does, where the standard library would answer in plain text.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "" {
			w.Header().Add("Allow", method)
		}
	}
	if w.Header().Get("Allow") != "" {
		s.fail(w, r, &apiError{status: http.StatusMethodNotAllowed, detail: "Method Not Allowed"})
		return
	}
	s.fail(w, r, &apiError{status: http.StatusNotFound, detail: "Not Found"})
}

func (s *Server) root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// Ollama's clients look for the first line.
	_, _ = w.Write([]byte("Ollama is running\n\nThis is a retrieval worker that speaks the API of LightRAG: see /health, /documents and /query.\n"))
}
