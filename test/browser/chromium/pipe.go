package chromium

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// pipe is the connection to a browser that was started with --remote-debugging-pipe: JSON messages that end with a zero
// byte, calls with a number in one direction, their answers and events in the other.
type pipe struct {
	out  io.Writer
	gone chan struct{} // closed when the browser has hung up

	mu      sync.Mutex // guards what follows, and the order of what is written
	last    int
	waiting map[int]chan message
	events  map[string]func(method string, params json.RawMessage) // by session
}

// message is a call, an answer or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

var errHungUp = errors.New("the browser has hung up")

func newPipe(in io.Reader, out io.Writer) *pipe {
	p := &pipe{
		out: out, gone: make(chan struct{}), waiting: map[int]chan message{},
		events: map[string]func(string, json.RawMessage){},
	}
	go p.read(bufio.NewReader(in))
	return p
}

// read hands out what the browser says until it hangs up.
func (p *pipe) read(in *bufio.Reader) {
	defer close(p.gone)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			return
		}
		p.mu.Lock()
		answer, hear := p.waiting[m.ID], p.events[m.Session]
		delete(p.waiting, m.ID)
		p.mu.Unlock()
		switch {
		case m.ID != 0 && answer != nil:
			answer <- m
		case m.ID == 0 && hear != nil:
			hear(m.Method, m.Params)
		}
	}
}

// listen has the events of a session told to hear, which must not make calls.
func (p *pipe) listen(session string, hear func(method string, params json.RawMessage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events[session] = hear
}

// call makes one call and decodes its answer into result, unless that is nil.
func (p *pipe) call(ctx context.Context, session, method string, params map[string]any, result any) error {
	answer := make(chan message, 1)
	if err := p.send(session, method, params, answer); err != nil {
		return fmt.Errorf("cannot call %s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("cannot call %s: %s", method, m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-p.gone:
		return fmt.Errorf("cannot call %s: %w", method, errHungUp)
	case <-ctx.Done():
		return fmt.Errorf("cannot call %s: %w", method, ctx.Err())
	}
}

func (p *pipe) send(session, method string, params map[string]any, answer chan message) error {
	if params == nil {
		params = map[string]any{}
	}
	encoded, err := json.Marshal(params)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	text, err := json.Marshal(message{ID: p.last, Session: session, Method: method, Params: encoded})
	if err != nil {
		return err
	}
	p.waiting[p.last] = answer
	_, err = p.out.Write(append(text, 0))
	return err
}
