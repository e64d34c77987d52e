package model

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Embedder is an embedding model. It is safe for concurrent use.
type Embedder struct {
	*client
	dim int
}

// NewEmbedder makes an embedding model's client. dim is the length that its vectors must have; 0 takes any.
func NewEmbedder(config Config, dim int) (*Embedder, error) {
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	return &Embedder{client: c, dim: dim}, nil
}

// Name says which vectors belong together: the model's name, and the length that was asked for.
func (e *Embedder) Name() string {
	if e.dim > 0 {
		return fmt.Sprintf("%s/%d", e.config.Name, e.dim)
	}
	return e.config.Name
}

// Embed makes a vector of each text, scaled to length 1, so that a product of two is the cosine of their angle.
func (e *Embedder) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	body := map[string]any{"model": e.config.Name, "input": texts}
	path, read := "/embeddings", readOpenAIVectors
	if e.config.Binding == Ollama {
		path, read = "/api/embed", readOllamaVectors
	} else {
		body["encoding_format"] = "float"
	}
	var vectors [][]float32
	err := e.post(ctx, path, body, func(in io.Reader) error {
		var err error
		if vectors, err = read(in, len(texts)); err != nil {
			return err
		}
		return e.check(vectors)
	})
	if err != nil {
		return nil, err
	}
	return vectors, nil
}

func (e *Embedder) check(vectors [][]float32) error {
	want := e.dim
	for i, v := range vectors {
		if want == 0 {
			want = len(v)
		}
		if len(v) == 0 || len(v) != want {
			return fmt.Errorf("vector %d has %d dimensions, want %d", i, len(v), want)
		}
		if !normalise(v) {
			return fmt.Errorf("vector %d has no direction", i)
		}
	}
	return nil
}

func normalise(v []float32) bool {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 || math.IsNaN(sum) || math.IsInf(sum, 0) {
		return false
	}
	length := math.Sqrt(sum)
	for i := range v {
		v[i] = float32(float64(v[i]) / length)
	}
	return true
}

func readOpenAIVectors(in io.Reader, n int) ([][]float32, error) {
	var answer struct {
		Data []struct {
			Index     int
			Embedding []float32
		}
	}
	if err := json.NewDecoder(in).Decode(&answer); err != nil {
		return nil, fmt.Errorf("its answer is no JSON of vectors: %w", err)
	}
	vectors := make([][]float32, n)
	if len(answer.Data) != n {
		return nil, fmt.Errorf("it gave %d vectors for %d texts", len(answer.Data), n)
	}
	for _, d := range answer.Data {
		if d.Index < 0 || d.Index >= n || vectors[d.Index] != nil {
			return nil, fmt.Errorf("it gave a vector the index %d", d.Index)
		}
		vectors[d.Index] = d.Embedding
	}
	return vectors, nil
}

func readOllamaVectors(in io.Reader, n int) ([][]float32, error) {
	var answer struct{ Embeddings [][]float32 }
	if err := json.NewDecoder(in).Decode(&answer); err != nil {
		return nil, fmt.Errorf("its answer is no JSON of vectors: %w", err)
	}
	if len(answer.Embeddings) != n {
		return nil, fmt.Errorf("it gave %d vectors for %d texts", len(answer.Embeddings), n)
	}
	return answer.Embeddings, nil
}
