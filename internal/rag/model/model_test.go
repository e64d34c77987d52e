package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/rag/model"
)

// answering is a model server that answers every request with a body, and notes the last request.
func answering(t *testing.T, status int, body string) (url string, last func() (path string, request map[string]any, auth string)) {
	t.Helper()
	var path, auth string
	var request map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, auth = r.URL.Path, r.Header.Get("Authorization")
		request = nil
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() (string, map[string]any, string) { return path, request, auth }
}

func config(binding, url string) model.Config {
	return model.Config{Binding: binding, Host: url, Name: "parrot", APIKey: "secret-key", Timeout: 30 * time.Second}
}

func chat(t *testing.T, c model.Config) (string, error) {
	t.Helper()
	llm, err := model.NewLLM(c)
	if err != nil {
		t.Fatal(err)
	}
	defer llm.Close()
	var out strings.Builder
	err = llm.Chat(t.Context(), []model.Message{{Role: "user", Content: "hello"}}, func(piece string) error {
		out.WriteString(piece + "|")
		return nil
	})
	return out.String(), err
}

func TestLLM_SpeaksBothProtocols(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ binding, path, body string }{
		"openai": {model.OpenAI, "/chat/completions", ": comment\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n" +
			"data:{\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n"},
		"ollama": {model.Ollama, "/api/chat", `{"message":{"content":"Hel"},"done":false}` + "\n\n" + `{"message":{"content":"lo"},"done":false}` + "\n" + `{"message":{"content":""},"done":true}` + "\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, last := answering(t, 200, test.body)
			got, err := chat(t, config(test.binding, url))
			path, request, auth := last()
			if err != nil || got != "Hel|lo|" || path != test.path || request["model"] != "parrot" || request["stream"] != true || auth != "Bearer secret-key" {
				t.Errorf("got %q, %v, after %s %v", got, err, path, request)
			}
		})
	}
}

func TestLLM_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		binding string
		status  int
		body    string
		want    string
	}{
		"status":           {model.OpenAI, 401, `{"error":"bad key"}`, `status 401: {"error":"bad key"}`},
		"cut":              {model.OpenAI, 200, "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n", "ended in the middle"},
		"cut ollama":       {model.Ollama, 200, `{"message":{"content":"Hel"}}`, "ended in the middle"},
		"nothing":          {model.OpenAI, 200, "", "ended in the middle"},
		"empty":            {model.OpenAI, 200, "data: [DONE]\n\n", "is empty"},
		"no JSON":          {model.OpenAI, 200, "data: {\n\n", "no JSON"},
		"no JSON, ollama":  {model.Ollama, 200, "<html>\n", "no JSON"},
		"an error":         {model.OpenAI, 200, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n", "overloaded"},
		"an error, ollama": {model.Ollama, 200, `{"error":"no such model"}` + "\n", "no such model"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := answering(t, test.status, test.body)
			_, err := chat(t, config(test.binding, url))
			var failed *model.Error
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret-key") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	c := config(model.OpenAI, "http://127.0.0.1:1")
	if _, err := chat(t, c); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}

// hanging is a server that answers with a beginning and then with nothing.
func hanging(t *testing.T, beginning string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, beginning)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestLLM_IsNotWaitedForLonger(t *testing.T) {
	t.Parallel()
	for name, beginning := range map[string]string{"silent": "", "stuck": "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n"} {
		c := config(model.OpenAI, hanging(t, beginning))
		c.Timeout = 50 * time.Millisecond
		if _, err := chat(t, c); !errors.Is(err, model.ErrTimeout) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLLM_EndsWithItsCaller(t *testing.T) {
	t.Parallel()
	llm, err := model.NewLLM(config(model.OpenAI, hanging(t, "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n")))
	if err != nil {
		t.Fatal(err)
	}
	defer llm.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err = llm.Chat(ctx, nil, func(string) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	full := errors.New("full")
	if err := llm.Chat(t.Context(), nil, func(string) error { return full }); !errors.Is(err, full) {
		t.Errorf("an emitter's error: %v", err)
	}
}

func TestEmbedder_SpeaksBothProtocols(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ binding, path, body string }{
		"openai": {model.OpenAI, "/embeddings", `{"data":[{"index":1,"embedding":[0,2]},{"index":0,"embedding":[3,4]}]}`},
		"ollama": {model.Ollama, "/api/embed", `{"embeddings":[[3,4],[0,2]]}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, last := answering(t, 200, test.body)
			e, err := model.NewEmbedder(config(test.binding, url), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			got, err := e.Embed(t.Context(), []string{"a", "b"})
			path, request, _ := last()
			if err != nil || len(got) != 2 || math.Abs(float64(got[0][0])-0.6) > 1e-6 || got[1][1] != 1 || path != test.path || len(request["input"].([]any)) != 2 {
				t.Errorf("got %v, %v, after %s %v", got, err, path, request)
			}
		})
	}
}

func TestEmbedder_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		binding, body string
		dim           int
		want          string
	}{
		"too few":         {model.OpenAI, `{"data":[{"index":0,"embedding":[1]}]}`, 0, "1 vectors for 2 texts"},
		"too few, ollama": {model.Ollama, `{"embeddings":[]}`, 0, "0 vectors for 2 texts"},
		"the same twice":  {model.OpenAI, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, 0, "the index 0"},
		"out of range":    {model.OpenAI, `{"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[1]}]}`, 0, "the index 7"},
		"wrong length":    {model.Ollama, `{"embeddings":[[1,2],[3,4]]}`, 3, "2 dimensions, want 3"},
		"mixed lengths":   {model.Ollama, `{"embeddings":[[1,2],[3]]}`, 0, "1 dimensions, want 2"},
		"zero":            {model.Ollama, `{"embeddings":[[1,2],[0,0]]}`, 0, "no direction"},
		"empty":           {model.Ollama, `{"embeddings":[[],[]]}`, 0, "0 dimensions"},
		"no JSON":         {model.Ollama, `<html>`, 0, "no JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := answering(t, 200, test.body)
			e, err := model.NewEmbedder(config(test.binding, url), test.dim)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if _, err := e.Embed(t.Context(), []string{"a", "b"}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestNew_RefusesHalfAConfiguration(t *testing.T) {
	t.Parallel()
	good := config(model.OpenAI, "http://x")
	for name, change := range map[string]func(*model.Config){
		"binding": func(c *model.Config) { c.Binding = "parrot" }, "host": func(c *model.Config) { c.Host = "" },
		"name": func(c *model.Config) { c.Name = "" }, "timeout": func(c *model.Config) { c.Timeout = 0 },
	} {
		c := good
		change(&c)
		if _, err := model.NewLLM(c); err == nil {
			t.Errorf("a model without a good %s was made", name)
		}
		if _, err := model.NewEmbedder(c, 0); err == nil {
			t.Errorf("an embedder without a good %s was made", name)
		}
	}
}
