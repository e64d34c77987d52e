package lightrag

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// hostileFiles are names that a client gives to a document, as it writes them.
func hostileFiles() []string {
	return []string{
		"../../up.txt", "..\\..\\aside.txt", "/tmp/absolute.txt", "%2e%2e%2fencoded.txt", "....//twice.txt", "../duarte/inputs/planted.txt",
		"Änderung-日本.txt", "A\u0308nderung.txt", "NOTES.TXT", "notes.txt", "nul\x01control.txt", "\u202etxt.exe.txt", "-rf.txt", ".hidden.txt",
		"~root.txt", "$(id).txt", "a;b|c&d.txt", "{workspace}.txt", strings.Repeat("l", 240) + ".txt", strings.Repeat("l", 5000) + ".txt",
		"..", "con.txt", "file://host/x.txt", "name\nline.txt",
	}
}

// TestHostileNames_StayInTheirOwnWorkspace uploads documents under names that lead elsewhere, and asks for documents and
// entities by ids that do. Whatever LightRAG makes of each, no file comes or goes in any other place, and no other workspace
// holds a word of them.
func TestHostileNames_StayInTheirOwnWorkspace(t *testing.T) {
	t.Parallel()
	r := newRig(t, newest)
	r.upload(t, "duarte", "notes.txt", ofDuarte)
	r.indexed(t, "duarte", 1)
	before := everything(t, r, "astrid")
	taken := 0
	for i, name := range hostileFiles() {
		text := fmt.Sprintf("%s This is document %d.", ofAstrid, i)
		if status, answer := uploadAs(t, r, "astrid", name, text); status == http.StatusOK && strings.Contains(answer, `"success"`) {
			taken++
		} else if status >= http.StatusInternalServerError && strings.Contains(answer, "urn:workspace-router") {
			t.Errorf("%.40q: the router answers %d %s", name, status, answer)
		}
		body := fmt.Sprintf(`{"text":%q,"file_source":%q}`, text+" As a text.", name)
		r.anyAnswer(t, "astrid", post("/documents/text", body))
	}
	for _, id := range []string{"../duarte", "..%2Fduarte", "%2e%2e", "doc-x%00", "%F0%9F%98%80", strings.Repeat("i", 3000), "*"} {
		r.anyAnswer(t, "astrid", testkit.Request{Path: "/documents/track_status/" + id})
		r.anyAnswer(t, "astrid", testkit.Request{Path: "/graphs?label=" + id})
		r.anyAnswer(t, "astrid", testkit.Request{Method: http.MethodDelete, Path: "/documents/delete_document", Body: fmt.Sprintf(`{"doc_ids":[%q],"delete_file":true}`, id)})
	}
	if taken < 10 {
		t.Errorf("of %d names only %d were taken: the others prove little", len(hostileFiles()), taken)
	}
	t.Logf("%d of %d names were taken", taken, len(hostileFiles()))
	testkit.Eventually(t, "astrid to be at rest", func() error {
		counts := r.counts(t, "astrid")
		if counts["pending"]+counts["processing"] > 0 || counts["all"] == 0 {
			return fmt.Errorf("%v", counts)
		}
		return nil
	})
	if after := everything(t, r, "astrid"); !slices.Equal(before, after) {
		t.Errorf("other places changed:\nbefore %q\nafter  %q", before, after)
	}
	if answer := r.query(t, "duarte", "mix", where); !strings.Contains(answer, "Duarte") || strings.Contains(answer, "Astrid") {
		t.Errorf("duarte says %s", answer)
	}
	lookThrough(t, r.DataDir, "duarte", "Astrid")
}

// uploadAs sends a document under a name that nothing has cleaned.
func uploadAs(t *testing.T, r *rig, workspace, name, text string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	quoted := strings.NewReplacer(`"`, "%22", "\n", "%0A").Replace(name)
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="` + quoted + `"`}, "Content-Type": {"text/plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return r.anyAnswer(t, workspace, testkit.Request{
		Method: http.MethodPost, Path: "/documents/upload", Body: body.String(), Header: http.Header{"Content-Type": {form.FormDataContentType()}},
	})
}

// anyAnswer sends a request that may be refused, but must be answered.
func (r *rig) anyAnswer(t *testing.T, workspace string, request testkit.Request) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request.Path = "/w/" + workspace + request.Path
	response, err := r.Do(ctx, request)
	if err != nil {
		t.Fatalf("%s %.60s: %v", request.Method, request.Path, err)
	}
	return response.Status, response.Body
}

// everything lists the files below the rig's folder, and where they are a workspace's, but for those of one workspace
// and those that the router and other workspaces write by themselves.
func everything(t *testing.T, r *rig, but string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(r.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(r.folder, path)
		switch first := strings.Split(name, "/"); {
		case len(first) > 2 && first[0] == "data" && first[1] == "workspaces" && first[2] == but,
			len(first) > 1 && first[0] == "data" && (first[1] == "run" || first[1] == "logs" || first[1] == "events" || first[1] == "locks"),
			strings.HasPrefix(name, "data/catalog.db"):
			return nil
		}
		list = append(list, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
