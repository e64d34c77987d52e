package server

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/model"
)

// What LightRAG says of itself as an Ollama server.
const (
	ollamaAPI     = "0.9.3"
	ollamaSize    = 7365960935
	ollamaDigest  = "sha256:workspace"
	ollamaCreated = "2024-01-15T00:00:00Z"
	ollamaExpires = "2050-12-31T14:38:31.83753-07:00"
)

func (s *Server) modelName() string { return s.config.ModelName + ":" + s.config.ModelTag }

func (s *Server) ollamaVersion(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, map[string]string{"version": ollamaAPI})
}

func (s *Server) ollamaModel() map[string]any {
	return map[string]any{
		"name": s.modelName(), "model": s.modelName(), "size": ollamaSize, "digest": ollamaDigest,
		"details": map[string]any{
			"parent_model": "", "format": "gguf", "family": s.config.ModelName, "families": []string{s.config.ModelName},
			"parameter_size": "13B", "quantization_level": "Q4_0",
		},
	}
}

func (s *Server) ollamaTags(w http.ResponseWriter, _ *http.Request) {
	m := s.ollamaModel()
	m["modified_at"] = ollamaCreated
	s.json(w, http.StatusOK, map[string]any{"models": []any{m}})
}

func (s *Server) ollamaPS(w http.ResponseWriter, _ *http.Request) {
	m := s.ollamaModel()
	m["expires_at"], m["size_vram"] = ollamaExpires, ollamaSize
	s.json(w, http.StatusOK, map[string]any{"models": []any{m}})
}

// ollamaChat answers the last message. How to search may stand before it, as in LightRAG: "/naive question".
func (s *Server) ollamaChat(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Messages []model.Message `json:"messages"`
		System   string          `json:"system"`
		Stream   *bool           `json:"stream"`
	}{}
	if err := s.decodeOllama(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if len(body.Messages) == 0 {
		s.fail(w, r, &apiError{http.StatusBadRequest, "No messages provided"})
		return
	}
	last := body.Messages[len(body.Messages)-1]
	if last.Role != "user" {
		s.fail(w, r, &apiError{http.StatusBadRequest, "Last message must be from user"})
		return
	}
	question, contextOnly := parsePrefix(last.Content)
	question.History = body.Messages[:len(body.Messages)-1]
	question.System = body.System
	s.ollamaAnswer(w, r, question, contextOnly, body.Stream == nil || *body.Stream, func(piece string) map[string]any {
		return map[string]any{"message": map[string]any{"role": "assistant", "content": piece, "images": nil}}
	})
}

// ollamaGenerate goes to the language model past the passages, as in LightRAG.
func (s *Server) ollamaGenerate(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Prompt string `json:"prompt"`
		System string `json:"system"`
		Stream bool   `json:"stream"`
	}{}
	if err := s.decodeOllama(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	question := answer.Question{Text: body.Prompt, Mode: "bypass", System: body.System}
	s.ollamaAnswer(w, r, question, false, body.Stream, func(piece string) map[string]any {
		return map[string]any{"response": piece}
	})
}

// decodeOllama takes any content type; Ollama's own clients send none that says JSON.
func (s *Server) decodeOllama(w http.ResponseWriter, r *http.Request, into any) error {
	err := s.decode(w, r, into)
	var known *apiError
	if errors.As(err, &known) && known.status == http.StatusUnprocessableEntity {
		return &apiError{http.StatusBadRequest, "Error parsing request body: " + known.Error()}
	}
	return err
}

func (s *Server) ollamaAnswer(w http.ResponseWriter, r *http.Request, q answer.Question, contextOnly, stream bool, shape func(string) map[string]any) {
	started := time.Now()
	plan, err := s.deps.Engine.Prepare(r.Context(), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	line := func(piece string, done bool) map[string]any {
		body := shape(piece)
		body["model"], body["created_at"], body["done"] = s.modelName(), time.Now().UTC().Format(time.RFC3339Nano), done
		return body
	}
	write := func(emit func(string) error) error {
		if contextOnly {
			return emit(answer.Context(plan.Passages))
		}
		return s.deps.Engine.Write(r.Context(), plan, emit)
	}
	if !stream {
		var out strings.Builder
		if err := write(func(piece string) error { out.WriteString(piece); return nil }); err != nil {
			s.fail(w, r, err)
			return
		}
		s.json(w, http.StatusOK, finish(line(out.String(), true), started, q.Text, out.Len()))
		return
	}
	lines, written := newLines(w), 0
	err = write(func(piece string) error { written += len(piece); return lines.write(line(piece, false)) })
	if r.Context().Err() != nil {
		return
	}
	if err != nil {
		s.deps.Log.Error("stream failed", zap.String("path", r.URL.Path), zap.Error(err))
		_, detail := s.classify(err)
		failed := line("\n\nError: "+fmt.Sprint(detail), false)
		failed["error"] = detail
		_ = lines.write(failed) // followed by the end, if there is anyone to hear it
	}
	_ = lines.write(finish(line("", true), started, q.Text, written))
}

// finish adds the figures that Ollama's clients show. Tokens are counted as four characters.
func finish(line map[string]any, started time.Time, prompt string, written int) map[string]any {
	took := time.Since(started).Nanoseconds()
	line["done_reason"] = "stop"
	line["total_duration"], line["load_duration"] = took, 0
	line["prompt_eval_count"], line["prompt_eval_duration"] = len(prompt)/4, 0
	line["eval_count"], line["eval_duration"] = written/4, took
	if _, generates := line["response"]; generates {
		line["context"] = []int{}
	}
	return line
}

var bracketed = regexp.MustCompile(`(?s)^/([a-z]*)\[(.*?)\](.*)`)

// parsePrefix reads LightRAG's prefixes: a mode, a mode with "context" for the passages alone, and instructions for the
// language model in brackets behind it.
func parsePrefix(text string) (answer.Question, bool) {
	q := answer.Question{Text: text, Mode: "mix"}
	if m := bracketed.FindStringSubmatch(text); m != nil {
		q.Instructions = m[2]
		q.Text = strings.TrimSpace("/" + m[1] + " " + strings.TrimLeft(m[3], " "))
	}
	word, rest, _ := strings.Cut(q.Text, " ")
	mode, ok := strings.CutPrefix(word, "/")
	if !ok {
		return q, false
	}
	mode, contextOnly := strings.CutSuffix(mode, "context")
	switch mode {
	case "local", "global", "hybrid", "naive", "mix", "bypass":
		q.Mode = mode
	case "":
		if !contextOnly && q.Instructions == "" { // "/ question" is a question
			return q, false
		}
	default:
		return q, false
	}
	q.Text = strings.TrimSpace(rest)
	return q, contextOnly
}
