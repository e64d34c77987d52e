// Package answer finds the passages that answer a question, and makes an answer of them: by a language model where there
// is one, else by quoting them. It starts no goroutine and writes nothing.
package answer

import (
	"context"
	"fmt"

	"workspace-router/internal/rag/model"
	"workspace-router/internal/rag/store"
)

// Searcher finds passages.
type Searcher interface {
	Search(ctx context.Context, terms []string, limit int) ([]store.Hit, error)
	Nearest(ctx context.Context, query []float32, limit int, least float64) ([]store.Hit, error)
	Frequencies(ctx context.Context, terms []string, atMost int) ([]int, int, error)
}

// Embedder makes vectors of texts.
type Embedder interface {
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// LLM writes answers.
type LLM interface {
	Name() string
	Chat(ctx context.Context, messages []model.Message, emit func(string) error) error
}

// Config of an engine.
type Config struct {
	Candidates int     // that each search looks at
	Passages   int     // that an answer is made from, at most
	Quotes     int     // that are quoted where there is no language model, unless a request says otherwise
	Cosine     float64 // that a passage found by its vector alone must reach
}

// Deps are what an engine works with.
type Deps struct {
	Store    Searcher
	Embedder Embedder // nil: passages are found by their words alone
	LLM      LLM      // nil: passages are quoted
}

// Engine answers questions. It is safe for concurrent use.
type Engine struct {
	config Config
	deps   Deps
}

// New makes an engine.
func New(config Config, deps Deps) (*Engine, error) {
	if config.Candidates < 1 || config.Passages < 1 || config.Quotes < 1 {
		return nil, fmt.Errorf("cannot answer from %d candidates, %d passages, %d quotes", config.Candidates, config.Passages, config.Quotes)
	}
	return &Engine{config: config, deps: deps}, nil
}

// Generates says whether answers are written by a language model.
func (e *Engine) Generates() bool { return e.deps.LLM != nil }

// Modes are LightRAG's. This engine has no graph: bypass asks the language model alone, all others search the passages.
// So does bypass where there is no model; Metadata says it.
func Modes() []string { return []string{"local", "global", "hybrid", "naive", "mix", bypass} }

const bypass = "bypass"

func (e *Engine) bypasses(q Question) bool { return q.Mode == bypass && e.deps.LLM != nil }

// Question is what is asked.
type Question struct {
	Text         string
	Mode         string          // one of Modes
	Passages     int             // at most; 0 is the engine's own
	Keywords     []string        // further words to search for
	History      []model.Message // of the conversation, oldest first
	Instructions string          // of the user, for the language model
	Form         string          // of the answer, such as "Single Paragraph"
	System       string          // system prompt for bypass
}

// Metadata says what was done for an answer.
type Metadata struct {
	Mode       string `json:"mode"`            // that was asked for
	Retrieval  string `json:"retrieval"`       // none, bm25, or bm25+vector
	Candidates int    `json:"candidates"`      // passages that were looked at
	Used       int    `json:"passages"`        // passages that the answer is made from
	Generation string `json:"generation"`      // none, quotes, or llm
	Model      string `json:"model,omitempty"` // that wrote the answer
}

// Found is what a search gave.
type Found struct {
	Passages   []Passage   // best first
	References []Reference // never nil
	Keywords   []string    // of the question
	Metadata   Metadata
}
