package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/store"
)

func (s *Server) insertText(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Text   *string `json:"text"`
		Source string  `json:"file_source"`
	}
	if err := s.decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if body.Text == nil {
		s.fail(w, r, missing("text"))
		return
	}
	s.insert(w, r, []string{*body.Text}, []string{body.Source})
}

func (s *Server) insertTexts(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Texts   []string `json:"texts"`
		Sources []string `json:"file_sources"`
	}
	if err := s.decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if len(body.Texts) == 0 {
		s.fail(w, r, missing("texts"))
		return
	}
	if len(body.Sources) > len(body.Texts) {
		s.fail(w, r, wrong("file_sources", "there are more sources than texts", len(body.Sources)))
		return
	}
	s.insert(w, r, body.Texts, append(body.Sources, make([]string, len(body.Texts)-len(body.Sources))...))
}

// insert adds texts. One that is there already is left as it is, so that a client may repeat a request.
func (s *Server) insert(w http.ResponseWriter, r *http.Request, texts, sources []string) {
	for i, text := range texts {
		if texts[i] = strings.TrimSpace(text); texts[i] == "" {
			s.fail(w, r, wrong("text", "the text must not be empty", text))
			return
		}
	}
	track, added, known := trackID("insert"), 0, ""
	for i, text := range texts {
		err := s.deps.Documents.Add(r.Context(), textDocument(text, sources[i], track), text, nil)
		var exists *store.ExistsError
		if errors.As(err, &exists) {
			known = exists.Document.TrackID
			continue
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		added++
		s.deps.Pipeline.Wake()
	}
	switch {
	case added == 0:
		s.json(w, http.StatusOK, map[string]string{"status": "duplicated", "message": "The text is already in this workspace.", "track_id": known})
	case added < len(texts):
		s.json(w, http.StatusOK, map[string]string{"status": "partial_success", "message": fmt.Sprintf("%d of %d texts are new.", added, len(texts)), "track_id": track})
	default:
		s.json(w, http.StatusOK, accepted(track, "Text successfully received. Processing will continue in background."))
	}
}

func textDocument(text, source, track string) store.Document {
	if source = strings.TrimSpace(source); source == "" {
		source = store.UnknownSource
	}
	digest := sha256.Sum256([]byte(text))
	return store.Document{
		ID: documentID(source, digest[:]), Origin: store.OriginText, FilePath: source, Size: int64(len(text)),
		Length: utf8.RuneCountInString(text), TrackID: track,
	}
}

// documentStatus is a document in LightRAG's shape.
func documentStatus(d store.Document) map[string]any {
	var failure any
	if d.Error != "" {
		failure = d.Error
	}
	return map[string]any{
		"id": d.ID, "content_summary": d.Summary, "content_length": d.Length, "status": d.Status,
		"created_at": d.CreatedAt.Format(time.RFC3339Nano), "updated_at": d.UpdatedAt.Format(time.RFC3339Nano),
		"track_id": d.TrackID, "chunks_count": d.Chunks, "error_msg": failure, "file_path": d.FilePath,
		"metadata": map[string]any{"size": d.Size, "origin": d.Origin, "chunks_embedded": d.Embedded},
	}
}

func documentStatuses(documents []store.Document) []map[string]any {
	list := make([]map[string]any, len(documents))
	for i, d := range documents {
		list[i] = documentStatus(d)
	}
	return list
}

// listLimit is LightRAG's bound of the deprecated listing.
const listLimit = 1000

func (s *Server) listDocuments(w http.ResponseWriter, r *http.Request) {
	documents, _, err := s.deps.Documents.Documents(r.Context(), store.Filter{Limit: listLimit})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	statuses := make(map[store.Status][]map[string]any)
	for _, d := range documents {
		statuses[d.Status] = append(statuses[d.Status], documentStatus(d))
	}
	s.json(w, http.StatusOK, map[string]any{"statuses": statuses})
}

func (s *Server) paginated(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Status   *string  `json:"status_filter"`
		Statuses []string `json:"status_filters"`
		Page     int      `json:"page"`
		PageSize int      `json:"page_size"`
		Sort     string   `json:"sort_field"`
		Order    string   `json:"sort_direction"`
	}{Page: 1, PageSize: 50, Sort: "updated_at", Order: "desc"}
	if err := s.decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if body.Status != nil {
		body.Statuses = append(body.Statuses, *body.Status)
	}
	filter := store.Filter{Sort: body.Sort, Asc: body.Order == "asc", Limit: body.PageSize, Offset: (body.Page - 1) * body.PageSize}
	for _, name := range body.Statuses {
		filter.Statuses = append(filter.Statuses, store.Status(strings.ToLower(name)))
	}
	var err error
	switch {
	case body.Page < 1:
		err = wrong("page", "must be at least 1", body.Page)
	case body.PageSize < 1 || body.PageSize > 200:
		err = wrong("page_size", "must be from 1 to 200", body.PageSize)
	case body.Order != "asc" && body.Order != "desc":
		err = wrong("sort_direction", "must be asc or desc", body.Order)
	case !slices.Contains([]string{"created_at", "updated_at", "id", "file_path"}, body.Sort):
		err = wrong("sort_field", "must be created_at, updated_at, id or file_path", body.Sort)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	documents, total, err := s.deps.Documents.Documents(r.Context(), filter)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	counts, err := s.counts(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	pages := (total + body.PageSize - 1) / body.PageSize
	s.json(w, http.StatusOK, map[string]any{
		"documents": documentStatuses(documents), "status_counts": counts,
		"pagination": map[string]any{
			"page": body.Page, "page_size": body.PageSize, "total_count": total, "total_pages": pages,
			"has_next": body.Page < pages, "has_prev": body.Page > 1,
		},
	})
}

// counts are the documents of each status, and of all.
func (s *Server) counts(r *http.Request) (map[string]int, error) {
	byStatus, err := s.deps.Documents.Counts(r.Context())
	if err != nil {
		return nil, err
	}
	counts := map[string]int{"all": 0}
	for status, n := range byStatus {
		counts[string(status)] = n
		counts["all"] += n
	}
	return counts, nil
}

func (s *Server) statusCounts(w http.ResponseWriter, r *http.Request) {
	counts, err := s.counts(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.json(w, http.StatusOK, map[string]any{"status_counts": counts})
}

func (s *Server) trackStatus(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimSpace(r.PathValue("id"))
	documents, total, err := s.deps.Documents.Documents(r.Context(), store.Filter{TrackID: id, Sort: "created_at", Asc: true})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	summary := make(map[string]int)
	for _, d := range documents {
		summary[string(d.Status)]++
	}
	s.json(w, http.StatusOK, map[string]any{"track_id": id, "documents": documentStatuses(documents), "total_count": total, "status_summary": summary})
}

func (s *Server) fileTypes(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, map[string]any{"supported_file_types": extract.Types(), "extensions": extract.Types()})
}

func (s *Server) deleteDocuments(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"doc_ids"`
	}
	if err := s.decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if len(body.IDs) == 0 {
		s.fail(w, r, missing("doc_ids"))
		return
	}
	for _, id := range body.IDs {
		if err := s.remove(r, id); err != nil && !errors.Is(err, store.ErrNotFound) {
			s.fail(w, r, err)
			return
		}
	}
	s.json(w, http.StatusOK, map[string]string{
		"status": "deletion_started", "message": fmt.Sprintf("Document deletion for %d documents is done.", len(body.IDs)), "doc_id": strings.Join(body.IDs, ", "),
	})
}

func (s *Server) clearDocuments(w http.ResponseWriter, r *http.Request) {
	documents, _, err := s.deps.Documents.Documents(r.Context(), store.Filter{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, d := range documents {
		if err := s.remove(r, d.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			s.fail(w, r, err)
			return
		}
	}
	s.json(w, http.StatusOK, map[string]string{"status": "success", "message": fmt.Sprintf("All %d documents were deleted.", len(documents))})
}

// remove deletes a document and its original.
func (s *Server) remove(r *http.Request, id string) error {
	return s.deps.Documents.Delete(r.Context(), id, func(d store.Document) error {
		if d.Origin != store.OriginUpload {
			return nil
		}
		if err := os.Remove(filepath.Join(s.config.UploadDir, d.FilePath)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot remove the original: %w", err)
		}
		return nil
	})
}
