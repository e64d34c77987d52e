package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"workspace-router/bench/measure"
)

// scale is what was measured on a large workspace.
type scale struct {
	chunks, documents int
	indexing          time.Duration
	starts            []time.Duration
	queries           []time.Duration // for two or three words of the middle of the vocabulary
	common            []time.Duration // for words that are in a good part of the chunks
	memory            []memory
}

type memory struct {
	when string
	mib  float64
}

const (
	documentChunks = 250 // of each made document
	chunkWords     = 150 // a little less than a chunk holds
	vocabulary     = 30_000
	restAfter      = 6 * time.Second // an idle reader's cache is given back after five
)

func measureScale(ctx context.Context, o options, root string) (scale, error) {
	var s scale
	dir := filepath.Join(root, "scale")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return s, err
	}
	words := newWords()
	p, _, err := start(ctx, o.worker, dir)
	if err != nil {
		return s, err
	}
	begun := time.Now()
	for s.documents = 0; s.documents*documentChunks < o.chunks; s.documents++ {
		body := map[string]string{"text": words.document(), "file_source": fmt.Sprintf("made-%04d.md", s.documents)}
		if err := p.call(ctx, http.MethodPost, "/documents/text", body, nil); err != nil {
			return s, err
		}
	}
	if s.chunks, err = p.settle(ctx); err != nil {
		return s, err
	}
	s.indexing = time.Since(begun)
	if err := s.rest(ctx, p, "after indexing all of it"); err != nil {
		return s, err
	}
	if err := p.stop(); err != nil {
		return s, err
	}
	for range o.starts {
		p, took, err := start(ctx, o.worker, dir)
		if err != nil {
			return s, err
		}
		s.starts = append(s.starts, took)
		if err := p.stop(); err != nil {
			return s, err
		}
	}
	return s, s.ask(ctx, o, dir, words)
}

// ask measures questions, and the memory before and after.
func (s *scale) ask(ctx context.Context, o options, dir string, words *words) error {
	p, _, err := start(ctx, o.worker, dir)
	if err != nil {
		return err
	}
	if err := s.note(p, "just started"); err != nil {
		return err
	}
	for range o.queries {
		if err := s.question(ctx, p, words.question(), &s.queries); err != nil {
			return err
		}
	}
	for range o.queries / 10 {
		if err := s.question(ctx, p, words.commonQuestion(), &s.common); err != nil {
			return err
		}
	}
	if err := s.rest(ctx, p, fmt.Sprintf("after %d questions", len(s.queries)+len(s.common))); err != nil {
		return err
	}
	return p.stop()
}

func (s *scale) question(ctx context.Context, p *process, text string, times *[]time.Duration) error {
	begun := time.Now()
	err := p.call(ctx, http.MethodPost, "/query", map[string]string{"query": text}, nil)
	*times = append(*times, time.Since(begun))
	return err
}

func (s *scale) rest(ctx context.Context, p *process, when string) error {
	if err := measure.Pause(ctx, restAfter); err != nil {
		return err
	}
	return s.note(p, when)
}

func (s *scale) note(p *process, when string) error {
	mib, err := p.pss()
	s.memory = append(s.memory, memory{when, mib})
	return err
}

// words makes text whose words are as unevenly common as in a language: the n-th is n times rarer than the first.
type words struct {
	random *rand.Rand
	zipf   *rand.Zipf
}

func newWords() *words {
	random := rand.New(rand.NewPCG(1, 2)) // the same text each time
	return &words{random, rand.NewZipf(random, 1.07, 8, vocabulary)}
}

func (w *words) word(n uint64) string {
	const consonants, vowels = "bcdfghklmnprstvz", "aeiou"
	var out strings.Builder
	for n += 40; n > 0; n /= uint64(len(consonants) * len(vowels)) {
		out.WriteByte(consonants[n%uint64(len(consonants))])
		out.WriteByte(vowels[n/uint64(len(consonants))%uint64(len(vowels))])
	}
	return out.String() + "n"
}

func (w *words) document() string {
	var out strings.Builder
	for range documentChunks {
		for i := range chunkWords {
			if i > 0 {
				out.WriteByte(' ')
			}
			out.WriteString(w.word(w.zipf.Uint64()))
		}
		out.WriteString(".\n\n")
	}
	return out.String()
}

func (w *words) question() string {
	return "What is " + w.word(200+w.random.Uint64N(5000)) + " of " + w.word(200+w.random.Uint64N(5000)) + " and " + w.word(50+w.random.Uint64N(500)) + "?"
}

func (w *words) commonQuestion() string {
	return "What is " + w.word(w.random.Uint64N(10)) + " of " + w.word(w.random.Uint64N(10)) + " and " + w.word(w.random.Uint64N(10)) + "?"
}

// spread is the median, the 95th percentile and the worst of times, as cells of a table.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return "– | – | –"
	}
	at := func(share float64) string { return measure.Millis(measure.Quantile(times, share)) }
	return at(0.5) + " | " + at(0.95) + " | " + at(1)
}
