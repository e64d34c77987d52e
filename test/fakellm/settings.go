package fakellm

import "strconv"

// Settings are the variables by which LightRAG uses the server at url, as lines of an environment.
func Settings(url string, dimensions int) []string {
	return []string{
		"LLM_BINDING=openai",
		"LLM_BINDING_HOST=" + url + "/v1",
		"LLM_BINDING_API_KEY=fake",
		"LLM_MODEL=" + Model,
		"EMBEDDING_BINDING=openai",
		"EMBEDDING_BINDING_HOST=" + url + "/v1",
		"EMBEDDING_BINDING_API_KEY=fake",
		"EMBEDDING_MODEL=" + Embedder,
		"EMBEDDING_DIM=" + strconv.Itoa(dimensions),
	}
}
