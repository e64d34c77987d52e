package fakellm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

type chatRequest struct {
	Model         string    `json:"model"`
	Messages      []message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a message's text. It is sent as a string, as a list of parts, or not at all.
type content string

// UnmarshalJSON reads either form.
func (c *content) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err == nil {
		if text != nil {
			*c = content(*text)
		}
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return fmt.Errorf("a message's content is neither a text nor a list of parts: %w", err)
	}
	for _, part := range parts {
		*c += content(part.Text)
	}
	return nil
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

type said struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content,omitempty"`
}

// choice holds the whole answer, or a piece of one that is streamed.
type choice struct {
	Index   int     `json:"index"`
	Message *said   `json:"message,omitempty"`
	Delta   *said   `json:"delta,omitempty"`
	Finish  *string `json:"finish_reason"`
}

type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

var stop = "stop"

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	s.chats.Add(1)
	var request chatRequest
	if !decode(w, r, &request) {
		return
	}
	if !s.pass(r.Context(), &s.before) {
		return
	}
	text := answer(request.Messages)
	used := &usage{Completion: tokens(text)}
	for _, m := range request.Messages {
		used.Prompt += tokens(string(m.Content))
	}
	used.Total = used.Prompt + used.Completion
	whole := completion{ID: "chatcmpl-fake", Object: "chat.completion", Model: request.Model}
	if !request.Stream {
		whole.Usage = used
		whole.Choices = []choice{{Message: &said{Role: "assistant", Content: text}, Finish: &stop}}
		write(w, whole)
		return
	}
	whole.Object = "chat.completion.chunk"
	if !request.StreamOptions.IncludeUsage {
		used = nil
	}
	s.stream(w, r, whole, text, used)
}

// stream sends an answer as server-sent events, one a word.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, chunk completion, text string, used *usage) {
	w.Header().Set("Content-Type", "text/event-stream")
	controller := http.NewResponseController(w)
	send := func(choices ...choice) bool {
		chunk.Choices = choices
		data, err := json.Marshal(chunk)
		if err != nil {
			return false
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return false
		}
		return controller.Flush() == nil
	}
	if !send(choice{Delta: &said{Role: "assistant"}}) {
		return
	}
	words := strings.SplitAfter(text, " ")
	for i, word := range words {
		if i == len(words)/2 && !s.pass(r.Context(), &s.within) {
			return
		}
		if !pause(r, s.options.Word) || !send(choice{Delta: &said{Content: word}}) {
			return
		}
	}
	if !send(choice{Delta: &said{}, Finish: &stop}) {
		return
	}
	if chunk.Usage = used; used != nil && !send() {
		return
	}
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n")
}

// pause waits, and reports whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return r.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
