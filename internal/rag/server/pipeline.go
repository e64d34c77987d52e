package server

import (
	"fmt"
	"net/http"
	"time"
)

func (s *Server) pipelineStatus(w http.ResponseWriter, r *http.Request) {
	counts, err := s.counts(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	status := s.deps.Pipeline.Status()
	var started any
	if !status.Started.IsZero() {
		started = status.Started.UTC().Format(time.RFC3339)
	}
	history := status.History
	if history == nil {
		history = []string{}
	}
	waiting := counts["pending"] + counts["parsing"] + counts["processing"]
	s.json(w, http.StatusOK, map[string]any{
		"autoscanned": true, "busy": status.Busy, "job_name": status.JobName, "job_start": started, "docs": status.Done + waiting, "batchs": status.Done + waiting,
		"cur_batch": status.Done, "request_pending": waiting > 0, "latest_message": status.Latest, "history_messages": history,
		"update_status": map[string]any{}, "scanning": false, "scanning_exclusive": false, "destructive_busy": false, "pending_enqueues": 0,
		"active": status.Active,
	})
}

func (s *Server) cancelPipeline(w http.ResponseWriter, r *http.Request) {
	some, err := s.deps.Pipeline.Cancel(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !some {
		s.json(w, http.StatusOK, map[string]string{"status": "not_busy", "message": "The pipeline is not busy."})
		return
	}
	s.json(w, http.StatusOK, map[string]string{"status": "cancellation_requested", "message": "The documents that were waiting or in work are marked as failed."})
}

func (s *Server) reprocessFailed(w http.ResponseWriter, r *http.Request) {
	n, err := s.deps.Documents.Retry(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.deps.Pipeline.Wake()
	s.json(w, http.StatusOK, map[string]string{"status": "reprocessing_started", "message": fmt.Sprintf("%d failed documents are tried again.", n), "track_id": ""})
}
