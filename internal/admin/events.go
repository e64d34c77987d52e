package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// writeTimeout is how long one piece of a stream may take to reach a client before the stream is given up.
const writeTimeout = 10 * time.Second

// events gives what the pool did: with follow, or where the client accepts an event stream, as server-sent events that
// go on; otherwise what is kept, as one array. Each principal gets the events of the workspaces that it operates.
func (a *Admin) events(c *call) error {
	since, err := sinceID(c)
	if err != nil {
		return err
	}
	follow, err := c.flag("follow")
	if err != nil {
		return err
	}
	if follow || strings.Contains(c.r.Header.Get("Accept"), "text/event-stream") {
		return a.stream(c, since)
	}
	kept, err := a.deps.Events.Since(c.r.Context(), since)
	if err != nil {
		return err
	}
	list := []Event{}
	for _, event := range kept {
		if mayRead(c.principal, event) {
			list = append(list, event)
		}
	}
	return c.write(http.StatusOK, list)
}

func sinceID(c *call) (uint64, error) {
	text := c.r.Header.Get("Last-Event-ID")
	if query := c.r.URL.Query().Get("since"); query != "" {
		text = query
	}
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: since: got %q, want the id of an event", problem.ErrBadRequest, text)
	}
	return id, nil
}

// mayRead: an event of the router as a whole, which names no workspace, is for those who operate the installation.
func mayRead(p *workspace.Principal, event Event) bool {
	if event.Ref.Generation == "" {
		return p.MayEverywhere(workspace.ClusterOperate)
	}
	return operates(p, event.Ref)
}

// stream sends events until the client goes or is let in no more, a write fails or the source ends.
func (a *Admin) stream(c *call, since uint64) error {
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	queue := make(chan Event)
	var following sync.WaitGroup
	following.Go(func() {
		defer close(queue)
		// However it ends, the answer has begun: all that the client can be told is that it ends.
		_ = a.deps.Events.Follow(ctx, since, func(event Event) error {
			select {
			case queue <- event:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	out := newStream(c.w, "text/event-stream")
	heartbeat := time.NewTicker(a.config.Heartbeat)
	defer heartbeat.Stop()
	out.send(": open\n\n")
	for open := true; open && out.err == nil; {
		var event Event
		select {
		case event, open = <-queue:
			if open && mayRead(c.principal, event) {
				out.event(event)
			}
		case <-heartbeat.C:
			if open = c.stillAdmitted(); !open {
				break
			}
			out.send(": still here\n\n")
		case <-a.deps.Closing:
			open = false
		}
	}
	cancel()
	following.Wait()
	return nil
}

// outStream writes an answer piece by piece, each flushed and bounded in time.
type outStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func newStream(w http.ResponseWriter, contentType string) *outStream {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	s := &outStream{w: w, control: http.NewResponseController(w)}
	s.err = s.control.Flush() // the client learns that it was let in, however long there is nothing to tell
	return s
}

func (s *outStream) send(text string) { s.write([]byte(text)) }

func (s *outStream) write(piece []byte) {
	if s.err != nil {
		return
	}
	// A writer that knows no deadlines is a test's, or one that cannot block.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, s.err = s.w.Write(piece); s.err == nil {
		s.err = s.control.Flush()
	}
}

func (s *outStream) event(event Event) {
	data, err := json.Marshal(event)
	if err != nil {
		s.err = err
		return
	}
	s.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", event.ID, event.Type, data))
}
