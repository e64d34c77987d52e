package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"workspace-router/internal/rag/model"
	"workspace-router/internal/rag/store"
)

// apiError is an answer that is no success, in FastAPI's shape.
type apiError struct {
	status int
	detail any // a string, or a list of invalid for 422
}

func (e *apiError) Error() string { return fmt.Sprint(e.detail) }

// invalid is one thing that is wrong with a request.
type invalid struct {
	Type     string `json:"type"`
	Location []any  `json:"loc"`
	Message  string `json:"msg"`
	Input    any    `json:"input"`
}

func missing(field string) error {
	return &apiError{http.StatusUnprocessableEntity, []invalid{{Type: "missing", Location: []any{"body", field}, Message: "Field required"}}}
}

func wrong(field, message string, input any) error {
	return &apiError{http.StatusUnprocessableEntity, []invalid{{Type: "value_error", Location: []any{"body", field}, Message: "Value error, " + message, Input: input}}}
}

// fail answers with an error. What the caller has no part in goes to the log only.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := s.classify(err)
	if status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.deps.Log.Error("request failed", zap.String("path", r.URL.Path), zap.Error(err))
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	s.json(w, status, map[string]any{"detail": detail})
}

func (s *Server) classify(err error) (int, any) {
	var answer *apiError
	var exists *store.ExistsError
	var tooLarge *http.MaxBytesError
	var upstream *model.StatusError
	var failed *model.Error
	switch {
	case errors.As(err, &answer):
		return answer.status, answer.detail
	case errors.As(err, &exists):
		return http.StatusConflict, fmt.Sprintf("File name %q already exists (status: %s).", exists.Document.FilePath, exists.Document.Status)
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body too large. Maximum is %d bytes.", tooLarge.Limit)
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "The request was cancelled."
	case errors.Is(err, model.ErrTimeout):
		return http.StatusGatewayTimeout, "The model did not answer in time."
	case errors.As(err, &upstream):
		return http.StatusBadGateway, fmt.Sprintf("The model server answered with status %d.", upstream.Status)
	case errors.As(err, &failed):
		return http.StatusBadGateway, "The model could not be used."
	}
	return http.StatusInternalServerError, "Internal server error."
}

func (s *Server) json(w http.ResponseWriter, status int, body any) {
	encoded, err := encode(body)
	if err != nil {
		s.deps.Log.Error("cannot encode an answer", zap.Error(err))
		status, encoded = http.StatusInternalServerError, []byte(`{"detail":"Internal server error."}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}

// encode leaves <, > and & as they are: a quotation begins with one.
func encode(body any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(body)
	return out.Bytes(), err
}

// decode reads a request's JSON into a struct.
func (s *Server) decode(w http.ResponseWriter, r *http.Request, into any) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.config.MaxBody))
	if err != nil {
		return receiving(err)
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return &apiError{http.StatusUnprocessableEntity, []invalid{{Type: "missing", Location: []any{"body"}, Message: "Field required"}}}
	}
	err = json.Unmarshal(raw, into)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		location := []any{"body"}
		for part := range strings.SplitSeq(wrongType.Field, ".") {
			location = append(location, part)
		}
		return &apiError{http.StatusUnprocessableEntity, []invalid{{
			Type: "type_error", Location: location, Message: fmt.Sprintf("Input should be a valid %s, not %s", wrongType.Type, wrongType.Value),
		}}}
	case err != nil:
		return &apiError{http.StatusUnprocessableEntity, []invalid{{Type: "json_invalid", Location: []any{"body"}, Message: "JSON decode error: " + err.Error()}}}
	}
	return nil
}
