package fakellm

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
)

const maxDimensions = 1 << 14

type embedRequest struct {
	Model      string `json:"model"`
	Input      inputs `json:"input"`
	Format     string `json:"encoding_format"`
	Dimensions int    `json:"dimensions"`
}

// inputs is one text, or a list of them.
type inputs []string

// UnmarshalJSON reads either form.
func (i *inputs) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*i = inputs{one}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("the input is neither a text nor a list of texts: %w", err)
	}
	*i = list
	return nil
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // numbers, or their base64 form
}

func (s *Server) embed(w http.ResponseWriter, r *http.Request) {
	s.embeddings.Add(1)
	var request embedRequest
	if !decode(w, r, &request) {
		return
	}
	dimensions := request.Dimensions
	if dimensions == 0 {
		dimensions = s.options.Dimensions
	}
	if dimensions < 1 || dimensions > maxDimensions {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("got %d dimensions, want 1 to %d", dimensions, maxDimensions))
		return
	}
	answer := struct {
		Object string      `json:"object"`
		Model  string      `json:"model"`
		Data   []embedding `json:"data"`
		Usage  usage       `json:"usage"`
	}{Object: "list", Model: request.Model, Data: []embedding{}}
	for i, text := range request.Input {
		vector := Embed(text, dimensions)
		one := embedding{Object: "embedding", Index: i, Embedding: vector}
		if request.Format == "base64" {
			one.Embedding = encode(vector)
		}
		answer.Data = append(answer.Data, one)
		answer.Usage.Prompt += tokens(text)
	}
	answer.Usage.Total = answer.Usage.Prompt
	write(w, answer)
}

// Embed makes the vector of a text, of length 1: each word counts for a place of its own, so that texts are near each
// other as far as they share words.
func Embed(text string, dimensions int) []float32 {
	vector := make([]float32, dimensions)
	for _, word := range words(strings.ToLower(text)) {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(word)) // it never fails
		vector[hash.Sum32()%uint32(dimensions)]++
	}
	var sum float64
	for _, v := range vector {
		sum += float64(v) * float64(v)
	}
	if sum == 0 { // nothing to tell it by; a vector without a direction would divide by zero elsewhere
		vector[0], sum = 1, 1
	}
	for i := range vector {
		vector[i] = float32(float64(vector[i]) / math.Sqrt(sum))
	}
	return vector
}

// encode gives the form in which clients of the API ask for many numbers: little-endian, base64.
func encode(vector []float32) string {
	var data []byte
	for _, v := range vector {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return base64.StdEncoding.EncodeToString(data)
}
