package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/index"
	"workspace-router/internal/rag/model"
	"workspace-router/internal/rag/server"
	"workspace-router/internal/rag/store"
	"workspace-router/internal/rag/terms"
)

// api is a server over a real store, without a process around it.
type api struct {
	t        *testing.T
	server   *server.Server
	pipeline *index.Pipeline
	key      string // sent with each request; may be empty
}

// talker is a language model that says what it is told to.
type talker struct {
	pieces []string
	err    error
	asked  []model.Message
}

func (l *talker) Name() string { return "talker" }

func (l *talker) Chat(_ context.Context, messages []model.Message, emit func(string) error) error {
	l.asked = messages
	for _, p := range l.pieces {
		if err := emit(p); err != nil {
			return err
		}
	}
	return l.err
}

func newAPI(t *testing.T, llm answer.LLM, change func(*server.Config)) *api {
	t.Helper()
	uploads := t.TempDir()
	data, err := store.Open(t.Context(), t.TempDir(), terms.Segment)
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := index.New(index.Config{
		Chunks: chunk.Config{Size: 400, Overlap: 40}, UploadDir: uploads, Backoff: time.Millisecond, Attempts: 2,
	}, index.Deps{Store: data, Log: zap.NewNop(), Reader: extract.Isolated{Timeout: time.Minute, Limits: extract.DefaultLimits()}})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := answer.New(answer.Config{Candidates: 40, Passages: 20, Quotes: 3, Cosine: 0.2}, answer.Deps{Store: data, LLM: llm})
	if err != nil {
		t.Fatal(err)
	}
	config := server.Config{
		Version: "test", Workspace: "alpha", WorkingDir: "/rag", InputDir: "/in", UploadDir: uploads, ModelName: "alpha", ModelTag: "latest",
		MaxUpload: 1 << 20, MaxBody: 1 << 20, TopK: 40, Instance: "launch-1", Patience: time.Minute,
	}
	if change != nil {
		change(&config)
	}
	s, err := server.New(config, server.Deps{Documents: data, Pipeline: pipeline, Engine: engine, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- pipeline.Run(t.Context()) }()
	t.Cleanup(func() { // after the context is cancelled
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	return &api{t: t, server: s, pipeline: pipeline, key: config.APIKey}
}

// send sends a request with a JSON body, or none.
func (a *api) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	a.t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(a.t.Context())
	request.Header.Set("Content-Type", "application/json")
	if a.key != "" {
		request.Header.Set("X-API-Key", a.key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	a.server.ServeHTTP(recorder, request)
	return recorder
}

func (a *api) upload(name, content string) *httptest.ResponseRecorder {
	a.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := io.WriteString(part, content); err != nil {
		a.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		a.t.Fatal(err)
	}
	return a.send(http.MethodPost, "/documents/upload", body.String(), "Content-Type", form.FormDataContentType())
}

// decode reads an answer that must have this status.
func (a *api) decode(r *httptest.ResponseRecorder, status int) map[string]any {
	a.t.Helper()
	var body map[string]any
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil || r.Code != status {
		a.t.Fatalf("got %d %s (%v), want %d and an object", r.Code, r.Body, err, status)
	}
	return body
}

// settle waits until everything is indexed.
func (a *api) settle() {
	a.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for a.pipeline.Active() {
		select {
		case <-deadline:
			a.t.Fatal("the pipeline does not come to rest")
		case <-tick.C:
		}
	}
}

const bees = "# Bees\n\nA hive stores sixty pounds of honey in a good year.\n\n## Wax\n\nWax is secreted by glands on the abdomen of worker bees.\n"

// withBees is an API over one document.
func withBees(t *testing.T, llm answer.LLM) *api {
	t.Helper()
	a := newAPI(t, llm, nil)
	a.decode(a.upload("bees.md", bees), http.StatusOK)
	a.settle()
	return a
}

// ndjson reads an answer of JSON lines.
func (a *api) ndjson(r *httptest.ResponseRecorder) []map[string]any {
	a.t.Helper()
	if got := r.Header().Get("Content-Type"); r.Code != http.StatusOK || got != "application/x-ndjson" {
		a.t.Fatalf("got %d %s: %s", r.Code, got, r.Body)
	}
	var lines []map[string]any
	for line := range strings.Lines(r.Body.String()) {
		var decoded map[string]any
		if err := json.Unmarshal([]byte(line), &decoded); err != nil {
			a.t.Fatalf("line %q: %v", line, err)
		}
		lines = append(lines, decoded)
	}
	return lines
}
