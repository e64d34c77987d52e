package tenants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// call is one request with what was found out about it.
type call struct {
	w         http.ResponseWriter
	r         *http.Request
	principal *workspace.Principal
	content   []byte           // of the body, where it was read
	answer    workspace.Answer // as it was written; without what is shown once
}

// maxBody bounds the request bodies, in bytes.
const maxBody = 64 << 10

// body gives the request's body. It may be called again.
func (c *call) body() ([]byte, error) {
	if c.content != nil {
		return c.content, nil
	}
	content, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("%w: want at most %d bytes", workspace.ErrBodyTooLarge, maxBody)
	case err != nil:
		return nil, fmt.Errorf("%w: cannot read the body: %w", problem.ErrBadRequest, err)
	}
	c.content = append([]byte{}, content...)
	return c.content, nil
}

// read decodes the body; no body is an empty object. An unknown field is an error, since it would be without effect.
func (c *call) read(into any) error {
	content, err := c.body()
	if err != nil || len(content) == 0 {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(into); err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the JSON object")
	}
	return fmt.Errorf("%w: cannot read the body as JSON: %w", problem.ErrBadRequest, err)
}

// succeed answers with data in the API's envelope.
func (c *call) succeed(status int, data any) error { return c.succeedOnce(status, data, data) }

// succeedOnce is succeed with data that a request which is sent again does not get in full: it gets again.
func (c *call) succeedOnce(status int, data, again any) error {
	content, err := envelope(data)
	if err != nil {
		return err
	}
	kept, err := envelope(again)
	if err != nil {
		return err
	}
	c.answer = workspace.Answer{Status: status, Body: kept}
	c.send(status, content)
	return nil
}

func envelope(data any) ([]byte, error) {
	content, err := json.Marshal(struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{"success", data})
	if err != nil {
		return nil, fmt.Errorf("cannot write the answer: %w", err)
	}
	return append(content, '\n'), nil
}

func (c *call) send(status int, content []byte) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(content)
	}
}

// fail answers with a problem in the API's envelope; its headers are those of every error of the router's.
func (c *call) fail(p problem.Problem) {
	type fault struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id,omitempty"`
	}
	content, err := json.Marshal(struct {
		Status string `json:"status"`
		Error  fault  `json:"error"`
	}{"error", fault{p.Code, p.Detail, c.w.Header().Get(problem.RequestIDHeader)}})
	if err != nil { // strings can always be written
		c.w.WriteHeader(http.StatusInternalServerError)
		return
	}
	p.SetHeaders(c.w.Header())
	c.send(p.Status, append(content, '\n'))
}

// revision is what the client last read, by the header If-Match or the field of the body; 0 where it does not say.
func (c *call) revision(inBody int64) (int64, error) {
	text := c.r.Header.Get("If-Match")
	if text == "" || text == "*" {
		return inBody, nil
	}
	n, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	if err != nil || n < 1 || inBody != 0 && inBody != n {
		return 0, fmt.Errorf("%w: If-Match: got %q, want the revision as it was read", problem.ErrBadRequest, text)
	}
	return n, nil
}

func (c *call) etag(revision int64) {
	c.w.Header().Set("ETag", `"`+strconv.FormatInt(revision, 10)+`"`)
}

const maxDisplayName = 200

// displayName checks a name for people.
func displayName(field, text string) error {
	if strings.TrimSpace(text) == "" || len(text) > maxDisplayName || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%w: %s: want 1 to %d bytes of text without control characters", problem.ErrBadRequest, field, maxDisplayName)
	}
	return nil
}
