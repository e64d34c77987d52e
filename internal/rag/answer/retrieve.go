package answer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"workspace-router/internal/rag/store"
	"workspace-router/internal/rag/terms"
)

// Passage is a chunk that was found for a question.
type Passage struct {
	store.Hit
	Reference string  // id of its Reference
	Source    string  // for people: file and page
	Score     float64 // of the fused ranking; higher is better
	Coverage  float64 // share of the question that its words cover, 0 to 1
	Cosine    float64 // 0 where it was not found by its vector
}

const (
	// background stands for the texts of the world in which a word of the question does not occur. Without it, a word
	// of a small workspace would seem common because it is in one of three passages.
	background = 1000
	// leastCoverage is the share of the question's weight that a passage's words must cover. It was chosen on the
	// questions of examples/documents: passages that answer cover 0.61 and more, those of the other document up to 0.49.
	leastCoverage = 0.55
	// countAtMost bounds the counting of a common word; beyond it, it is only known to be common.
	countAtMost = 2000
)

// Retrieve finds the passages for a question. None is no error.
func (e *Engine) Retrieve(ctx context.Context, q Question) (Found, error) {
	found := Found{References: []Reference{}, Metadata: Metadata{Mode: q.Mode, Retrieval: "none", Generation: "none"}}
	if e.bypasses(q) {
		return found, nil
	}
	words := terms.Question(q.Text)
	for _, k := range q.Keywords {
		words = append(words, terms.Question(k)...)
	}
	if len(words) == 0 { // stop words alone: no vector of them means anything either
		found.Metadata.Retrieval = "bm25"
		return found, nil
	}
	for _, w := range words {
		found.Keywords = append(found.Keywords, w.Match)
	}
	byWords, err := e.byWords(ctx, words)
	if err != nil {
		return found, fmt.Errorf("cannot retrieve: %w", err)
	}
	found.Metadata.Retrieval = "bm25"
	ranked := byWords
	if e.deps.Embedder != nil {
		byVector, err := e.byVector(ctx, q.Text)
		if err != nil {
			return found, fmt.Errorf("cannot retrieve: %w", err)
		}
		found.Metadata.Retrieval = "bm25+vector"
		ranked = fuse(byWords, byVector)
	}
	found.Metadata.Candidates = len(ranked)
	limit := e.config.Passages
	if q.Passages > 0 {
		limit = q.Passages
	}
	found.Passages = ranked[:min(limit, len(ranked))]
	found.Metadata.Used = len(found.Passages)
	found.References = reference(found.Passages)
	return found, nil
}

// byWords ranks by BM25, and keeps passages whose words cover enough of the question.
func (e *Engine) byWords(ctx context.Context, words []terms.Term) ([]Passage, error) {
	matches := make([]string, len(words))
	for i, w := range words {
		matches[i] = w.Match
	}
	counts, total, err := e.deps.Store.Frequencies(ctx, matches, countAtMost)
	if err != nil {
		return nil, err
	}
	weights := make([]float64, len(words))
	var sum float64
	for i := range words {
		weights[i] = rarity(counts[i], total)
		sum += weights[i]
	}
	hits, err := e.deps.Store.Search(ctx, telling(matches, counts, total), e.config.Candidates)
	if err != nil {
		return nil, err
	}
	matcher := terms.NewMatcher(words)
	passages := make([]Passage, 0, len(hits))
	for _, h := range hits {
		found := make([]bool, len(words))
		matcher.Mark(h.FilePath, found)
		matcher.Mark(h.Heading, found)
		matcher.Mark(h.Text, found)
		var covered float64
		for i, weight := range weights {
			if found[i] {
				covered += weight
			}
		}
		if covered/sum >= leastCoverage {
			passages = append(passages, Passage{Hit: h, Coverage: covered / sum, Score: h.Score})
		}
	}
	return passages, nil
}

// common is the share of the chunks beyond which a word hardly changes a ranking, and costs much to search for.
const common = 0.25

// telling leaves the common words out, unless all are.
func telling(matches []string, counts []int, total int) []string {
	var some []string
	for i, m := range matches {
		if counts[i] < countAtMost && float64(counts[i]) <= common*float64(total) {
			some = append(some, m)
		}
	}
	// A small workspace has no common words: a quarter of four passages is one.
	if len(some) == 0 || total < smallWorkspace {
		return matches
	}
	return some
}

// smallWorkspace is a number of chunks among which any word is searched in no time.
const smallWorkspace = 1000

// rarity is BM25's inverse document frequency of a word that is in n of total passages, in front of the background.
func rarity(n, total int) float64 {
	all := float64(max(total, n) + background)
	return math.Log(1 + (all-float64(n)+0.5)/(float64(n)+0.5))
}

// byVector ranks by the cosine with the question.
func (e *Engine) byVector(ctx context.Context, question string) ([]Passage, error) {
	vectors, err := e.deps.Embedder.Embed(ctx, []string{question})
	if err != nil {
		return nil, err
	}
	hits, err := e.deps.Store.Nearest(ctx, vectors[0], e.config.Candidates, e.config.Cosine)
	if err != nil {
		return nil, err
	}
	passages := make([]Passage, len(hits))
	for i, h := range hits {
		passages[i] = Passage{Hit: h, Cosine: h.Score}
	}
	return passages, nil
}

// fusion is k of reciprocal rank fusion: a passage's score is the sum of 1/(k+rank) over the rankings it is in. The
// formula and the value are of Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
// Rank Learning Methods", SIGIR 2009.
const fusion = 60

// fuse merges rankings by reciprocal rank.
func fuse(rankings ...[]Passage) []Passage {
	at := make(map[int64]int)
	var fused []Passage
	for _, ranking := range rankings {
		for rank, p := range ranking {
			i, ok := at[p.ID]
			if !ok {
				i = len(fused)
				at[p.ID] = i
				p.Score = 0
				fused = append(fused, p)
			}
			fused[i].Score += 1 / float64(fusion+rank+1)
			fused[i].Coverage = max(fused[i].Coverage, p.Coverage)
			fused[i].Cosine = max(fused[i].Cosine, p.Cosine)
		}
	}
	slices.SortStableFunc(fused, func(a, b Passage) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return fused
}
