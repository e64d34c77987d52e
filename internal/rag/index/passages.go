package index

import (
	"context"
	"strings"
	"unicode/utf8"

	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/store"
)

// passages gathers a document's chunks and stores them in batches.
type passages struct {
	ctx      context.Context // of the one document
	pipeline *Pipeline
	document store.Document
	batch    []store.Chunk
	begin    strings.Builder // of the text
	length   int             // characters seen
	err      error           // what the store said
}

// watch passes blocks on and notes what listings show of the text.
func (s *passages) watch(next extract.Sink) extract.Sink {
	return func(b extract.Block) error {
		if s.begin.Len() < 4*summaryLength {
			s.begin.WriteString(b.Text)
			s.begin.WriteByte('\n')
		}
		s.length += utf8.RuneCountInString(b.Text)
		return next(b)
	}
}

func (s *passages) summary() string {
	text := []rune(strings.TrimSpace(s.begin.String()))
	if len(text) <= summaryLength {
		return string(text)
	}
	return string(text[:summaryLength]) + "..."
}

func (s *passages) add(c chunk.Chunk) error {
	s.batch = append(s.batch, store.Chunk{Ordinal: c.Ordinal, Heading: c.Heading, Text: c.Text, FirstPage: c.FirstPage, LastPage: c.LastPage})
	if len(s.batch) < chunkBatch {
		return nil
	}
	return s.flush()
}

func (s *passages) flush() error {
	if len(s.batch) == 0 {
		return nil
	}
	s.err = s.pipeline.deps.Store.AddChunks(s.ctx, s.document.Seq, title(s.document), s.batch)
	s.batch = s.batch[:0]
	return s.err
}

// title is what a document's name says of it: a passage of "debian-history.pdf" answers a question on Debian's history.
func title(d store.Document) string {
	if d.FilePath == store.UnknownSource {
		return ""
	}
	return strings.TrimSuffix(d.FilePath, extension(d.FilePath))
}

func extension(name string) string {
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		return name[dot:]
	}
	return ""
}
