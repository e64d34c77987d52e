package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/rag/model"
	"workspace-router/internal/rag/server"
)

// slowTalker says one piece, is silent for a while, and says another.
type slowTalker struct{ silence time.Duration }

func (slowTalker) Name() string { return "slow" }

func (l slowTalker) Chat(ctx context.Context, _ []model.Message, emit func(string) error) error {
	if err := emit("first"); err != nil {
		return err
	}
	select {
	case <-time.After(l.silence):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return emit("second")
}

func TestServer_LosesPatienceWithAClientThatSendsNothing(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, func(c *server.Config) { c.Patience = 50 * time.Millisecond })
	web := httptest.NewServer(a.server)
	defer web.Close()
	for name, head := range map[string]string{
		"upload": "POST /documents/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n" +
			"Content-Disposition: form-data; name=\"file\"; filename=\"t.md\"\r\n\r\nhalf",
		"query": "POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
	} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if err := connection.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(connection, head)
		answer, err := io.ReadAll(connection)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
			t.Errorf("%s: got %q, %v, want an error and the end", name, answer, err)
		}
	}
}

// The model's silence is not the client's.
func TestServer_HasPatienceWithASilentModel(t *testing.T) {
	t.Parallel()
	a := newAPI(t, slowTalker{300 * time.Millisecond}, func(c *server.Config) { c.Patience = 50 * time.Millisecond })
	web := httptest.NewServer(a.server)
	defer web.Close()
	for range 2 { // the second on the same connection
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/query/stream", strings.NewReader(`{"query":"Hello","mode":"bypass"}`))
		if err != nil {
			t.Fatal(err)
		}
		response, err := web.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(answer), "second") {
			t.Errorf("got %q, %v", answer, err)
		}
	}
}
