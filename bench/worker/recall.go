package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// recall is how many questions found the passage that answers them.
type recall struct {
	questions, at1, at3, at5 int
	foreign                  int // that were answered by a workspace that holds another document
}

type question struct{ Question, Document, Phrase string }

// measureRecall puts each document into a workspace of its own, and asks all questions of all workspaces.
func measureRecall(ctx context.Context, o options, root string) (recall, error) {
	var r recall
	raw, err := os.ReadFile(filepath.Join(o.documents, "questions.json"))
	if err != nil {
		return r, err
	}
	var questions []question
	if err := json.Unmarshal(raw, &questions); err != nil {
		return r, fmt.Errorf("cannot read the questions: %w", err)
	}
	r.questions = len(questions)
	asked := make(map[string]bool)
	for _, q := range questions {
		if asked[q.Document] {
			continue
		}
		asked[q.Document] = true
		if err := r.document(ctx, o, filepath.Join(root, q.Document), q.Document, questions); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *recall) document(ctx context.Context, o options, dir, name string, questions []question) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(o.documents, name))
	if err != nil {
		return err
	}
	p, _, err := start(ctx, o.worker, dir)
	if err != nil {
		return err
	}
	upload, err := fileForm(name, content)
	if err != nil {
		return err
	}
	if err := p.call(ctx, http.MethodPost, "/documents/upload", upload, nil); err != nil {
		return err
	}
	if _, err := p.settle(ctx); err != nil {
		return err
	}
	for _, q := range questions {
		if err := r.ask(ctx, p, q, q.Document == name); err != nil {
			return err
		}
	}
	return p.stop()
}

func (r *recall) ask(ctx context.Context, p *process, q question, own bool) error {
	var answer struct {
		Data struct {
			Chunks []struct{ Heading, Content string }
		}
	}
	if err := p.call(ctx, http.MethodPost, "/query/data", map[string]string{"query": q.Question}, &answer); err != nil {
		return err
	}
	if !own {
		if len(answer.Data.Chunks) > 0 {
			r.foreign++
		}
		return nil
	}
	for rank, c := range answer.Data.Chunks {
		if !strings.Contains(oneLine(c.Heading+" "+c.Content), oneLine(q.Phrase)) {
			continue
		}
		for limit, n := range map[int]*int{1: &r.at1, 3: &r.at3, 5: &r.at5} {
			if rank < limit {
				*n++
			}
		}
		break
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
