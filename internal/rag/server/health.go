package server

import (
	"net/http"
)

// health always answers with 200. A caller who proves the key is told more.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	status := s.deps.Pipeline.Status()
	body := map[string]any{
		"status": "healthy", "auth_mode": "disabled", "core_version": s.config.Version, "api_version": s.config.Version,
		"webui_available": false, "workspace_available": false, "api_docs_available": false, "webui_title": nil, "webui_description": nil,
		"ai_content_notice_enabled": false, "pipeline_busy": status.Busy, "pipeline_active": status.Active,
	}
	if s.authenticate(r) == nil {
		body["working_directory"] = s.config.WorkingDir
		body["input_directory"] = s.config.InputDir
		body["configuration"] = s.configuration()
		body["instance"] = s.config.Instance
		body["server_mode"] = "embedded"
		body["workers"] = 1
		body["pipeline_scanning"] = false
		body["pipeline_destructive_busy"] = false
		body["pipeline_pending_enqueues"] = 0
	}
	s.json(w, http.StatusOK, body)
}

func (s *Server) configuration() map[string]any {
	return map[string]any{
		"workspace":   s.config.Workspace,
		"llm_binding": orNull(s.config.LLM.Binding), "llm_binding_host": orNull(s.config.LLM.Host), "llm_model": orNull(s.config.LLM.Name),
		"embedding_binding": orNull(s.config.Embedding.Binding), "embedding_binding_host": orNull(s.config.Embedding.Host),
		"embedding_model": orNull(s.config.Embedding.Name),
		"kv_storage":      "SQLite", "doc_status_storage": "SQLite", "vector_storage": "SQLite", "graph_storage": nil,
		"enable_rerank": false, "max_upload_size": s.config.MaxUpload, "top_k": s.config.TopK,
	}
}

// orNull is null for what is not configured.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
