package settings

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// variables is the table that Load and Usage go by, in the order that Usage prints.
func variables() []variable {
	return []variable{
		{"HOST", "host", "127.0.0.1", "address to listen on", host},
		{"PORT", "port", "9621", "port to listen on; 0 takes a free one", number(func(s *Settings) *int { return &s.Port }, 0, 65535)},
		{"WORKER_SOCKET", "socket", "", "Unix socket to listen on, mode 0600, instead of HOST and PORT", socket},
		{"WORKSPACE", "workspace", "", "name of the workspace; its data is in the directory of this name under WORKING_DIR and INPUT_DIR", workspace},
		{"WORKING_DIR", "working-dir", "./rag_storage", "where databases are", directory(func(s *Settings) *string { return &s.WorkingDir })},
		{"INPUT_DIR", "input-dir", "./inputs", "where uploaded originals are kept", directory(func(s *Settings) *string { return &s.InputDir })},
		{"LIGHTRAG_API_KEY", "", "", "key that every request must carry, as X-API-Key or as a bearer token; without it all is open", text(func(s *Settings) *string { return &s.APIKey })},
		{"LIGHTRAG_API_PREFIX", "api-prefix", "", "path that requests may begin with, such as /w/name", prefix},
		{"WORKER_INSTANCE", "", "", "opaque id that the authenticated /health answers with", text(func(s *Settings) *string { return &s.Instance })},
		{"NOTIFY_SOCKET", "", "", "systemd's notification socket; READY=1 and STOPPING=1 are sent to it", text(func(s *Settings) *string { return &s.NotifySocket })},
		{"OLLAMA_EMULATING_MODEL_NAME", "simulated-model-name", "lightrag", "model name of the Ollama API", text(func(s *Settings) *string { return &s.ModelName })},
		{"OLLAMA_EMULATING_MODEL_TAG", "simulated-model-tag", "latest", "model tag of the Ollama API", text(func(s *Settings) *string { return &s.ModelTag })},
		{"LLM_BINDING", "llm-binding", "", "protocol of the language model: openai, ollama or none; without one, passages are quoted", binding(llm)},
		{"LLM_BINDING_HOST", "", "", "its base URL, for openai with /v1", baseURL(func(s *Settings) *string { return &s.LLM.Host })},
		{"LLM_BINDING_API_KEY", "", "", "its key", text(func(s *Settings) *string { return &s.LLM.APIKey })},
		{"LLM_MODEL", "", "", "its name", text(func(s *Settings) *string { return &s.LLM.Name })},
		{"LLM_TIMEOUT", "", "180", "seconds for one answer of it", seconds(func(s *Settings) *time.Duration { return &s.LLM.Timeout })},
		{"EMBEDDING_BINDING", "embedding-binding", "", "protocol of the embedding model: openai, ollama or none; without one, words alone are searched", binding(embedding)},
		{"EMBEDDING_BINDING_HOST", "", "", "its base URL, for openai with /v1", baseURL(func(s *Settings) *string { return &s.Embedding.Host })},
		{"EMBEDDING_BINDING_API_KEY", "", "", "its key", text(func(s *Settings) *string { return &s.Embedding.APIKey })},
		{"EMBEDDING_MODEL", "", "", "its name", text(func(s *Settings) *string { return &s.Embedding.Name })},
		{"EMBEDDING_DIM", "", "0", "length of its vectors; 0 takes what it gives", number(func(s *Settings) *int { return &s.EmbeddingDim }, 0, 65536)},
		{"EMBEDDING_TIMEOUT", "", "30", "seconds for one call of it", seconds(func(s *Settings) *time.Duration { return &s.Embedding.Timeout })},
		{"MAX_UPLOAD_SIZE", "", "104857600", "bytes of an uploaded file", size(func(s *Settings) *int64 { return &s.MaxUpload })},
		{"MAX_REQUEST_BODY_BYTES", "", "33554432", "bytes of another request", size(func(s *Settings) *int64 { return &s.MaxBody })},
		{"TOP_K", "", "40", "candidates that a search looks at", number(func(s *Settings) *int { return &s.TopK }, 1, 1000)},
		{"CHUNK_TOP_K", "", "20", "passages that an answer is made from, at most", number(func(s *Settings) *int { return &s.ChunkTopK }, 1, 1000)},
		{"CHUNK_SIZE", "", "300", "tokens of a passage, a token taken for four characters", number(func(s *Settings) *int { return &s.ChunkSize }, 50, 8000)},
		{"CHUNK_OVERLAP_SIZE", "", "40", "tokens that a passage repeats of the one before", number(func(s *Settings) *int { return &s.ChunkOverlap }, 0, 4000)},
		{"COSINE_THRESHOLD", "", "0.2", "similarity that a passage found by its vector alone must reach", fraction(func(s *Settings) *float64 { return &s.Cosine })},
		{"EXTRACT_TIMEOUT", "", "180", "seconds for reading the text of one document", seconds(func(s *Settings) *time.Duration { return &s.ExtractTimeout })},
		{"SHUTDOWN_GRACE", "", "8", "seconds that open requests have after SIGTERM", seconds(func(s *Settings) *time.Duration { return &s.ShutdownGrace })},
		{"LOG_LEVEL", "log-level", "info", "debug, info, warning or error", oneOf(func(s *Settings) *string { return &s.LogLevel }, "debug", "info", "warning", "error")},
	}
}

func llm(s *Settings) *Model       { return &s.LLM }
func embedding(s *Settings) *Model { return &s.Embedding }

func binding(model func(*Settings) *Model) func(*Settings, string) error {
	return oneOf(func(s *Settings) *string { return &model(s).Binding }, "", "none", "openai", "ollama")
}

// Usage writes the settings, one paragraph each.
func Usage(w io.Writer) {
	for _, v := range variables() {
		name := v.env
		if v.flag != "" {
			name += ", --" + v.flag
		}
		fallback := ""
		if v.fallback != "" {
			fallback = fmt.Sprintf(" (default %s)", v.fallback)
		}
		fmt.Fprintf(w, "  %s\n      %s%s\n", name, strings.ToUpper(v.help[:1])+v.help[1:], fallback)
	}
}
