package server

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/model"
)

// queryRequest is LightRAG's. What it says of graphs and rerankers is accepted and has no effect.
type queryRequest struct {
	Query             *string         `json:"query"`
	Mode              string          `json:"mode"`
	OnlyNeedContext   bool            `json:"only_need_context"`
	OnlyNeedPrompt    bool            `json:"only_need_prompt"`
	ResponseType      string          `json:"response_type"`
	TopK              *int            `json:"top_k"`
	ChunkTopK         *int            `json:"chunk_top_k"`
	HighLevel         []string        `json:"hl_keywords"`
	LowLevel          []string        `json:"ll_keywords"`
	History           []model.Message `json:"conversation_history"`
	UserPrompt        string          `json:"user_prompt"`
	IncludeReferences *bool           `json:"include_references"`
	IncludeContent    bool            `json:"include_chunk_content"`
	Stream            *bool           `json:"stream"`
}

const (
	maxQuery = 32 << 10 // characters
	maxTopK  = 1000
	leastRAG = 3 // characters of a question, LightRAG's bound; one of a script without spaces counts for two
)

func (s *Server) question(w http.ResponseWriter, r *http.Request) (queryRequest, answer.Question, error) {
	q := queryRequest{Mode: "mix"}
	if err := s.decode(w, r, &q); err != nil {
		return q, answer.Question{}, err
	}
	if err := q.check(); err != nil {
		return q, answer.Question{}, err
	}
	question := answer.Question{
		Text: strings.TrimSpace(*q.Query), Mode: q.Mode, Keywords: slices.Concat(q.HighLevel, q.LowLevel), History: q.History,
		Instructions: q.UserPrompt, Form: q.ResponseType,
	}
	if q.ChunkTopK != nil {
		question.Passages = *q.ChunkTopK
	}
	return q, question, nil
}

func (q *queryRequest) check() error {
	if q.Query == nil {
		return missing("query")
	}
	text := strings.TrimSpace(*q.Query)
	switch {
	case text == "":
		return wrong("query", "the query must not be empty", *q.Query)
	case utf8.RuneCountInString(text) > maxQuery:
		return wrong("query", "the query is too long", nil)
	case q.Mode != "bypass" && len(text) < leastRAG:
		return wrong("query", "the query must have at least 3 characters", text)
	case !slices.Contains(answer.Modes(), q.Mode):
		return wrong("mode", "must be one of "+strings.Join(answer.Modes(), ", "), q.Mode)
	case q.TopK != nil && (*q.TopK < 1 || *q.TopK > maxTopK):
		return wrong("top_k", "must be from 1 to 1000", *q.TopK)
	case q.ChunkTopK != nil && (*q.ChunkTopK < 1 || *q.ChunkTopK > maxTopK):
		return wrong("chunk_top_k", "must be from 1 to 1000", *q.ChunkTopK)
	}
	for _, m := range q.History {
		if m.Role == "" {
			return wrong("conversation_history", "each message must have a role", nil)
		}
	}
	return nil
}

// references are what the request wants to see of them. Quoted passages always come with their text.
func (q *queryRequest) references(plan answer.Plan) []answer.Reference {
	if q.IncludeContent || plan.Metadata.Generation == "quotes" {
		return plan.References
	}
	return answer.Bare(plan.References)
}

func (q *queryRequest) withReferences() bool {
	return q.IncludeReferences == nil || *q.IncludeReferences
}

// canned is an answer that no model writes: the context or the prompt, for those who asked for it.
func (q *queryRequest) canned(plan answer.Plan) (string, bool) {
	switch {
	case q.OnlyNeedContext:
		return answer.Context(plan.Passages), true
	case q.OnlyNeedPrompt && plan.Prompt != nil:
		var out strings.Builder
		for _, m := range plan.Prompt {
			out.WriteString(m.Role + ": " + m.Content + "\n\n")
		}
		return strings.TrimSpace(out.String()), true
	}
	return "", false
}

func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	q, question, err := s.question(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	plan, err := s.deps.Engine.Prepare(r.Context(), question)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	text, canned := q.canned(plan)
	if !canned {
		var out strings.Builder
		if err := s.deps.Engine.Write(r.Context(), plan, func(piece string) error { out.WriteString(piece); return nil }); err != nil {
			s.fail(w, r, err)
			return
		}
		text = out.String()
	}
	body := map[string]any{
		"response": text, "references": nil, "response_time": time.Since(started).Seconds(),
		"llm_generated": !canned && plan.Prompt != nil, "metadata": plan.Metadata,
	}
	if q.withReferences() {
		body["references"] = q.references(plan)
	}
	s.json(w, http.StatusOK, body)
}

// queryStream answers line by line: the references first, then the answer's pieces as they come.
func (s *Server) queryStream(w http.ResponseWriter, r *http.Request) {
	q, question, err := s.question(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	plan, err := s.deps.Engine.Prepare(r.Context(), question)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	lines := newLines(w)
	if q.withReferences() {
		if err := lines.write(map[string]any{"references": q.references(plan), "metadata": plan.Metadata}); err != nil {
			return // the client left
		}
	}
	text, canned := q.canned(plan)
	if canned || plan.Prompt == nil || q.Stream != nil && !*q.Stream {
		err = s.writeWhole(r, lines, plan, text, canned)
	} else {
		err = s.deps.Engine.Write(r.Context(), plan, func(piece string) error { return lines.write(map[string]any{"response": piece}) })
	}
	if err != nil && r.Context().Err() == nil {
		s.deps.Log.Error("stream failed", zap.String("path", r.URL.Path), zap.Error(err))
		_, detail := s.classify(err)
		_ = lines.write(map[string]any{"error": detail}) // the last word, if there is anyone to hear it
	}
}

// writeWhole writes an answer as one line.
func (s *Server) writeWhole(r *http.Request, lines *lines, plan answer.Plan, text string, canned bool) error {
	if !canned {
		var out strings.Builder
		if err := s.deps.Engine.Write(r.Context(), plan, func(piece string) error { out.WriteString(piece); return nil }); err != nil {
			return err
		}
		text = out.String()
	}
	return lines.write(map[string]any{"response": text, "llm_generated": !canned && plan.Prompt != nil})
}

func (s *Server) queryData(w http.ResponseWriter, r *http.Request) {
	_, question, err := s.question(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.deps.Engine.Retrieve(r.Context(), question)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	chunks := make([]map[string]any, len(found.Passages))
	for i, p := range found.Passages {
		chunks[i] = map[string]any{
			"content": p.Text, "file_path": p.FilePath, "chunk_id": p.ChunkID(), "reference_id": p.Reference,
			"heading": p.Heading, "source": p.Source, "score": p.Score, "coverage": p.Coverage, "cosine": p.Cosine,
		}
	}
	message := "Query executed successfully"
	if len(chunks) == 0 {
		message = answer.Nothing
	}
	s.json(w, http.StatusOK, map[string]any{
		"status": "success", "message": message,
		"data": map[string]any{
			"entities": []any{}, "relationships": []any{}, "chunks": chunks, "references": orEmpty(answer.Bare(found.References)),
		},
		"metadata": map[string]any{
			"query_mode": question.Mode, "keywords": map[string]any{"high_level": []string{}, "low_level": orEmpty(found.Keywords)},
			"processing_info": map[string]any{
				"total_entities_found": 0, "total_relations_found": 0, "entities_after_truncation": 0, "relations_after_truncation": 0,
				"merged_chunks_count": found.Metadata.Candidates, "final_chunks_count": found.Metadata.Used,
			},
			"retrieval": found.Metadata.Retrieval,
		},
	})
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// lines writes a stream of JSON lines, each of which leaves at once.
type lines struct {
	w       http.ResponseWriter
	flusher *http.ResponseController
}

func newLines(w http.ResponseWriter) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return &lines{w: w, flusher: http.NewResponseController(w)}
}

func (l *lines) write(line any) error {
	encoded, err := encode(line)
	if err != nil {
		return err
	}
	if _, err := l.w.Write(encoded); err != nil {
		return err
	}
	return l.flusher.Flush()
}
