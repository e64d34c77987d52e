package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workspace-router/internal/rag/server"
)

func TestServer_UploadsOnce(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, nil)
	first := a.decode(a.upload("bees.md", bees), http.StatusOK)
	if first["status"] != "success" || !strings.HasPrefix(first["track_id"].(string), "upload_") {
		t.Errorf("got %v", first)
	}
	if r := a.upload("bees.md", bees); r.Code != http.StatusConflict {
		t.Errorf("the same file again: %d %s", r.Code, r.Body)
	}
	if r := a.upload("bees.md", "other"); r.Code != http.StatusConflict {
		t.Errorf("another file of the same name: %d %s", r.Code, r.Body)
	}
	a.settle()
	track := a.decode(a.send(http.MethodGet, "/documents/track_status/"+first["track_id"].(string), ""), http.StatusOK)
	document := track["documents"].([]any)[0].(map[string]any)
	if track["total_count"] != 1.0 || document["status"] != "processed" || document["file_path"] != "bees.md" || document["error_msg"] != nil {
		t.Errorf("its status is %v", track)
	}
	for _, field := range []string{"id", "content_summary", "content_length", "created_at", "updated_at", "track_id", "chunks_count", "metadata"} {
		if document[field] == nil {
			t.Errorf("the document has no %s: %v", field, document)
		}
	}
}

func TestServer_RefusesBadUploads(t *testing.T) {
	t.Parallel()
	var uploads string
	a := newAPI(t, nil, func(c *server.Config) { c.MaxUpload = 100; uploads = c.UploadDir })
	tests := map[string]struct {
		name, content string
		status        int
	}{
		"too large":        {"a.md", strings.Repeat("x", 101), 413},
		"as large as can":  {"b.md", strings.Repeat("x", 100), 200},
		"much too large":   {"c.md", strings.Repeat("x", 200_000), 413},
		"unsupported":      {"d.exe", "x", 400},
		"no extension":     {"readme", "x", 400},
		"empty":            {"e.md", "", 400},
		"hidden":           {".secret.md", "x", 400},
		"temporary":        {".upload-1.md", "x", 400},
		"too long a name":  {strings.Repeat("n", 240) + ".md", "x", 400},
		"control in name":  {"a\x01b.md", "x", 400},
		"capital ending":   {"F.MD", "x", 200},
		"a path":           {"../../up.md", "x", 200}, // its last part counts
		"a windows path":   {`C:\temp\win.md`, "x", 200},
		"spaces and signs": {"Ein Brief, März (2).md", "x", 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if r := a.upload(test.name, test.content); r.Code != test.status || r.Code != 200 && !strings.Contains(r.Body.String(), `"detail"`) {
				t.Errorf("got %d %s, want %d", r.Code, r.Body, test.status)
			}
		})
	}
	a.settle()
	for _, name := range []string{"up.md", "win.md", "Ein Brief, März (2).md"} {
		if _, err := os.Stat(filepath.Join(uploads, name)); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(uploads)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 5 {
		t.Errorf("%d files are in the input directory, want the 5 that were taken: %v", len(entries), entries)
	}
	if r := a.send(http.MethodPost, "/documents/upload", "{}"); r.Code != 422 {
		t.Errorf("no form: %d %s", r.Code, r.Body)
	}
	if r := a.send(http.MethodPost, "/documents/upload", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t.md\"\r\n\r\nhalf",
		"Content-Type", "multipart/form-data; boundary=b"); r.Code != 400 {
		t.Errorf("a form that ends in the middle: %d %s", r.Code, r.Body)
	}
}

func TestServer_InsertsTextsOnce(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, nil)
	first := a.decode(a.send(http.MethodPost, "/documents/text", `{"text":"Bees make honey.","file_source":"bees"}`), 200)
	again := a.decode(a.send(http.MethodPost, "/documents/text", `{"text":"Bees make honey.","file_source":"bees"}`), 200)
	if first["status"] != "success" || again["status"] != "duplicated" || first["track_id"] != again["track_id"] {
		t.Errorf("got %v, then %v", first, again)
	}
	some := a.decode(a.send(http.MethodPost, "/documents/texts", `{"texts":["Bees make honey.","Ants do not."],"file_sources":["bees"]}`), 200)
	if some["status"] != "partial_success" {
		t.Errorf("got %v", some)
	}
	if r := a.send(http.MethodPost, "/documents/texts", `{"texts":["Wasps neither."," "]}`); r.Code != 422 {
		t.Errorf("a blank text among others: %d %s", r.Code, r.Body)
	}
	a.settle()
	counts := a.decode(a.send(http.MethodGet, "/documents/status_counts", ""), 200)["status_counts"].(map[string]any)
	if counts["all"] != 2.0 || counts["processed"] != 2.0 {
		t.Errorf("documents are %v", counts)
	}
}

func TestServer_DeletesDocumentsWithTheirOriginals(t *testing.T) {
	t.Parallel()
	var uploads string
	a := newAPI(t, nil, func(c *server.Config) { uploads = c.UploadDir })
	a.decode(a.upload("bees.md", bees), 200)
	a.decode(a.upload("ants.md", "# Ants\n\nAnts farm aphids."), 200)
	a.settle()
	list := a.decode(a.send(http.MethodPost, "/documents/paginated", `{"page":1,"page_size":10,"sort_field":"file_path","sort_direction":"desc"}`), 200)
	documents := list["documents"].([]any)
	if len(documents) != 2 || documents[0].(map[string]any)["file_path"] != "bees.md" {
		t.Fatalf("the documents are %v", documents)
	}
	id := documents[0].(map[string]any)["id"].(string)
	for range 2 { // a client may repeat it
		gone := a.decode(a.send(http.MethodDelete, "/documents/delete_document", `{"doc_ids":["`+id+`"]}`), 200)
		if gone["status"] != "deletion_started" || gone["doc_id"] != id {
			t.Errorf("got %v", gone)
		}
	}
	if _, err := os.Stat(filepath.Join(uploads, "bees.md")); !os.IsNotExist(err) {
		t.Errorf("the original is still there: %v", err)
	}
	answer := a.decode(a.send(http.MethodPost, "/query", `{"query":"how much honey does a hive store"}`), 200)
	if len(answer["references"].([]any)) != 0 {
		t.Errorf("a deleted document answers: %v", answer)
	}
	a.decode(a.upload("bees.md", bees), 200) // the name is free again
	a.settle()
	if cleared := a.decode(a.send(http.MethodDelete, "/documents", ""), 200); cleared["status"] != "success" {
		t.Errorf("got %v", cleared)
	}
	if left, err := os.ReadDir(uploads); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestServer_ListsPagesOfDocuments(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, nil)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		a.decode(a.send(http.MethodPost, "/documents/text", `{"text":"text of `+name+`","file_source":"`+name+`"}`), 200)
	}
	a.decode(a.upload("broken.pdf", "this is no PDF"), 200)
	a.settle()
	page := a.decode(a.send(http.MethodPost, "/documents/paginated", `{"page":2,"page_size":2,"sort_field":"file_path","sort_direction":"asc","status_filter":"processed"}`), 200)
	var names []string
	for _, d := range page["documents"].([]any) {
		names = append(names, d.(map[string]any)["file_path"].(string))
	}
	pagination := page["pagination"].(map[string]any)
	if strings.Join(names, "") != "cd" || pagination["total_count"] != 5.0 || pagination["total_pages"] != 3.0 || pagination["has_next"] != true || pagination["has_prev"] != true {
		t.Errorf("page 2 is %v, %v", names, pagination)
	}
	failed := a.decode(a.send(http.MethodPost, "/documents/paginated", `{"status_filters":["failed"]}`), 200)["documents"].([]any)
	if len(failed) != 1 || !strings.Contains(failed[0].(map[string]any)["error_msg"].(string), "damaged") {
		t.Errorf("failed are %v", failed)
	}
	a.decode(a.send(http.MethodPost, "/documents/reprocess_failed", ""), 200)
	a.settle()
	old := a.decode(a.send(http.MethodGet, "/documents", ""), 200)["statuses"].(map[string]any)
	if len(old["processed"].([]any)) != 5 || len(old["failed"].([]any)) != 1 {
		t.Errorf("the old listing is %v", old)
	}
	status := a.decode(a.send(http.MethodGet, "/documents/pipeline_status", ""), 200)
	if status["busy"] != false || status["latest_message"] == "" || len(status["history_messages"].([]any)) == 0 {
		t.Errorf("the pipeline is %v", status)
	}
	if idle := a.decode(a.send(http.MethodPost, "/documents/cancel_pipeline", ""), 200); idle["status"] != "not_busy" {
		t.Errorf("cancelling nothing: %v", idle)
	}
}
