package model

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user or assistant
	Content string `json:"content"`
}

// LLM is a language model. It is safe for concurrent use.
type LLM struct{ *client }

// NewLLM makes a language model's client.
func NewLLM(config Config) (*LLM, error) {
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	return &LLM{c}, nil
}

// Name is the model's.
func (l *LLM) Name() string { return l.config.Name }

// maxEvent bounds one event of a stream.
const maxEvent = 1 << 20

var errTruncated = errors.New("its answer ended in the middle")

// Chat asks the model and hands over its answer piece by piece. The error is the emitter's own, or wraps ErrTimeout,
// *StatusError, or what went wrong with the connection. An answer without any text is an error.
func (l *LLM) Chat(ctx context.Context, messages []Message, emit func(string) error) error {
	some := false
	counted := func(piece string) error {
		if piece == "" {
			return nil
		}
		some = true
		return emit(piece)
	}
	body := map[string]any{"model": l.config.Name, "messages": messages, "stream": true}
	path, read := "/chat/completions", readEvents
	if l.config.Binding == Ollama {
		path, read = "/api/chat", readLines
	}
	err := l.post(ctx, path, body, func(in io.Reader) error {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, maxEvent)
		if err := read(lines, counted); err != nil {
			return err
		}
		return lines.Err()
	})
	if err == nil && !some {
		err = &Error{Model: l.config.Name, Err: errors.New("its answer is empty")}
	}
	return err
}

// readEvents reads OpenAI's stream: server-sent events, ended by [DONE].
func readEvents(lines *bufio.Scanner, emit func(string) error) error {
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		data = strings.TrimSpace(data)
		if data == "[DONE]" {
			return nil
		}
		var event struct {
			Choices []struct {
				Delta        struct{ Content string }
				FinishReason string `json:"finish_reason"`
			}
			Error *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return fmt.Errorf("its answer is no JSON: %w", err)
		}
		if event.Error != nil {
			return fmt.Errorf("it failed: %s", event.Error.Message)
		}
		for _, choice := range event.Choices {
			if err := emit(choice.Delta.Content); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errTruncated
}

// readLines reads Ollama's stream: a JSON object on each line, the last with done.
func readLines(lines *bufio.Scanner, emit func(string) error) error {
	for lines.Scan() {
		var event struct {
			Message struct{ Content string }
			Done    bool
			Error   string
		}
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return fmt.Errorf("its answer is no JSON: %w", err)
		}
		if event.Error != "" {
			return fmt.Errorf("it failed: %s", event.Error)
		}
		if err := emit(event.Message.Content); err != nil {
			return err
		}
		if event.Done {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errTruncated
}
