// Package fakellm stands in for an endpoint that speaks OpenAI's API for chat and embeddings, so that programs which
// need a model can be run where there is none. It answers by rules: what is asked to be extracted from a text is made
// of the text's own names, and a question is answered with the context that came with it, word for word, so that a test
// sees all that a model was shown. Equal requests have equal answers. It keeps nothing and starts no goroutine.
package fakellm

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Model and Embedder are the names that the server lists and accepts, beside any other.
const (
	Model    = "fake-chat"
	Embedder = "fake-embedding"
)

const maxBody = 64 << 20 // bytes of a request

// Options change how the server answers.
type Options struct {
	Dimensions int           // of an embedding where the request names none; 0 is 256
	Key        string        // the bearer token that requests must carry; empty: none
	Word       time.Duration // the pause before each word of a streamed answer
}

// Server is the handler. It is safe for concurrent use.
type Server struct {
	options    Options
	mux        *http.ServeMux
	before     gate
	within     gate
	waiting    atomic.Int64
	chats      atomic.Int64
	embeddings atomic.Int64
}

// New makes a server.
func New(options Options) *Server {
	if options.Dimensions == 0 {
		options.Dimensions = 256
	}
	s := &Server{options: options, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /v1/models", s.models)
	s.mux.HandleFunc("POST /v1/chat/completions", s.chat)
	s.mux.HandleFunc("POST /v1/embeddings", s.embed)
	return s
}

// Chats and Embeddings count the requests that came.
func (s *Server) Chats() int { return int(s.chats.Load()) }

// Embeddings counts the requests for embeddings; see Chats.
func (s *Server) Embeddings() int { return int(s.embeddings.Load()) }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := []byte(r.Header.Get("Authorization"))
	if want := []byte("Bearer " + s.options.Key); s.options.Key != "" && subtle.ConstantTimeCompare(got, want) == 0 {
		refuse(w, http.StatusUnauthorized, "wrong key")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.mux.ServeHTTP(w, r)
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	type model struct {
		ID     string `json:"id"`
		Object string `json:"object"`
	}
	write(w, struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{"list", []model{{Model, "model"}, {Embedder, "model"}}})
}

// decode reads a JSON body; false where it has answered that there is none.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("cannot read the request: %v", err))
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, status int, message string) {
	var body struct {
		Error struct {
			Message string `json:"message"`
			Type    string `json:"type"`
		} `json:"error"`
	}
	body.Error.Message, body.Error.Type = message, "invalid_request_error"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func write(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// tokens is a count that looks like a model's.
func tokens(text string) int { return len(strings.Fields(text)) }
