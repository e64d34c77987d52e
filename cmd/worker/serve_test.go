package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestServe_AnswersFromItsDocument(t *testing.T) {
	t.Parallel()
	w := startWorker(t, t.TempDir(), "WORKER_INSTANCE=launch-7")
	var health struct {
		Instance      string
		Configuration struct{ Workspace string }
		WorkingDir    string `json:"working_directory"`
	}
	w.call(http.MethodGet, "/health", nil, &health)
	if health.Instance != "launch-7" || health.Configuration.Workspace != "alpha" || health.WorkingDir != filepath.Join(w.dir, "rag") {
		t.Errorf("health says %+v", health)
	}
	w.call(http.MethodPost, "/documents/upload", example(t, "debian-history.pdf"), nil)
	if counts := w.settle(); counts["processed"] != 1 || counts["all"] != 1 {
		t.Fatalf("documents are %v", counts)
	}
	type answer struct {
		Response   string
		References []struct {
			FilePath string `json:"file_path"`
			Source   string
			Content  []string
		}
	}
	var own answer
	w.call(http.MethodPost, "/query", map[string]any{"query": "Where does the name Debian come from?"}, &own)
	if !strings.Contains(own.Response, "his wife, Debra") || !strings.Contains(own.Response, "debian-history.pdf, page") {
		t.Errorf("the answer is %q, want the passage with its file and page", own.Response)
	}
	if len(own.References) != 1 || own.References[0].FilePath != "debian-history.pdf" || !strings.Contains(own.References[0].Source, "7") || len(own.References[0].Content) == 0 {
		t.Errorf("references are %+v, want the file, page 7 among its pages, and the passages", own.References)
	}
	var foreign answer
	w.call(http.MethodPost, "/query", map[string]any{"query": "How many bridges may run between the same two islands?"}, &foreign)
	if !strings.Contains(foreign.Response, "No relevant passage") || foreign.References == nil || len(foreign.References) != 0 {
		t.Errorf("a question on another document gave %+v", foreign)
	}
	if original, err := os.Stat(filepath.Join(w.dir, "in", "alpha", "debian-history.pdf")); err != nil || original.Mode().Perm() != 0o600 {
		t.Errorf("the original: %v, %v", original, err)
	}
}

func TestServe_SocketIsForItsUserOnly(t *testing.T) {
	t.Parallel()
	w := startWorker(t, t.TempDir())
	info, err := os.Stat(w.socket())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, want 0600", info.Mode().Perm())
	}
}

func TestServe_OneWorkerOnADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startWorker(t, dir)
	second := launch(t, dir, "WORKER_SOCKET="+filepath.Join(dir, "other"))
	if code := second.wait(); code != 1 || !strings.Contains(second.log.String(), "another worker has it open") {
		t.Errorf("the second ended with %d: %s", code, second.log)
	}
	if status, _ := first.try(http.MethodGet, "/health", nil, nil); status != http.StatusOK {
		t.Errorf("the first answers with %d", status)
	}
}

func TestServe_ReplacesTheSocketOfAKilledWorker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startWorker(t, dir).kill()
	if _, err := os.Stat(filepath.Join(dir, "s")); err != nil {
		t.Fatalf("the killed worker left no socket: %v", err)
	}
	startWorker(t, dir)
}

func TestServe_LeavesASocketThatIsInUse(t *testing.T) {
	t.Parallel()
	w := startWorker(t, t.TempDir())
	other := launch(t, t.TempDir(), "WORKER_SOCKET="+w.socket())
	if code := other.wait(); code != 1 || !strings.Contains(other.log.String(), "another program does") {
		t.Errorf("it ended with %d: %s", code, other.log)
	}
}

func TestServe_RefusesBadSettings(t *testing.T) {
	t.Parallel()
	w := launch(t, t.TempDir(), "PORT=70000", "LLM_BINDING=parrot", "WORKSPACE=../up")
	if code := w.wait(); code != 2 {
		t.Errorf("it ended with %d, want 2", code)
	}
	for _, want := range []string{"PORT: got \"70000\"", "LLM_BINDING: got \"parrot\"", "WORKSPACE: got \"../up\""} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("it says %q, want %q in it", w.log, want)
		}
	}
}

func TestServe_NotifiesItsStarter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"}
	notifications, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer notifications.Close()
	w := startWorker(t, dir, "NOTIFY_SOCKET="+address.Name)
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		message := make([]byte, 64)
		n, err := notifications.Read(message)
		if err != nil || string(message[:n]) != want {
			t.Fatalf("it sent %q, %v, want %q", message[:n], err, want)
		}
		if want == "READY=1" {
			if _, code := w.stop(); code != 0 {
				t.Errorf("it ended with %d", code)
			}
		}
	}
}

// The stream is open when the signal comes; it must be complete, and the process must end after it with code 0.
func TestServe_SIGTERMFinishesOpenRequests(t *testing.T) {
	t.Parallel()
	proceed := make(chan struct{})
	llm := fakeLLM(t, func(write func(string)) {
		write("The name ")
		<-proceed
		write("comes from Debra [1].")
	})
	w := startWorker(t, t.TempDir(), "LLM_BINDING=openai", "LLM_BINDING_HOST="+llm, "LLM_MODEL=parrot")
	w.call(http.MethodPost, "/documents/text", map[string]string{"text": "Debian is named after Debra and Ian.", "file_source": "names.md"}, nil)
	w.settle()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://worker/query/stream", strings.NewReader(`{"query":"Who is Debian named after?"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", apiKey)
	response, err := w.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"references":[{`) {
		t.Fatalf("the first line is %q", lines.Text())
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), "The name ") {
		t.Fatalf("the second line is %q", lines.Text())
	}
	if err := w.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "new connections are refused", func() bool {
		_, err := os.Stat(w.socket())
		return os.IsNotExist(err)
	})
	close(proceed)
	var rest strings.Builder
	for lines.Scan() {
		var line struct{ Response, Error string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Error != "" {
			t.Fatalf("line %q: %v", lines.Text(), err)
		}
		rest.WriteString(line.Response)
	}
	if !strings.HasPrefix(rest.String(), "comes from Debra [1].") || !strings.Contains(rest.String(), "- [1] names.md") {
		t.Errorf("the rest of the stream is %q", rest.String())
	}
	if code := w.wait(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	for _, left := range []string{"rag.db-wal", "rag.db-shm"} {
		if _, err := os.Stat(filepath.Join(w.dir, "rag", "alpha", left)); !os.IsNotExist(err) {
			t.Errorf("%s is left", left)
		}
	}
}

// A client that does not read must not keep the process.
func TestServe_SIGTERMIsBounded(t *testing.T) {
	t.Parallel()
	llm := fakeLLM(t, func(write func(string)) {
		write("I never ")
		<-t.Context().Done()
	})
	w := startWorker(t, t.TempDir(), "LLM_BINDING=openai", "LLM_BINDING_HOST="+llm, "LLM_MODEL=parrot", "SHUTDOWN_GRACE=1")
	w.call(http.MethodPost, "/documents/text", map[string]string{"text": "Debian is named after Debra and Ian."}, nil)
	w.settle()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://worker/query/stream", strings.NewReader(`{"query":"Who is Debian named after?"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", apiKey)
	response, err := w.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if took, code := w.stop(); code != 0 {
		t.Errorf("it ended with %d after %v", code, took)
	}
}

// fakeLLM is an OpenAI-compatible model that answers as talk says. It gives its base URL.
func fakeLLM(t *testing.T, talk func(write func(string))) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		flusher := http.NewResponseController(w)
		talk(func(piece string) {
			encoded, _ := json.Marshal(piece)
			fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%s}}]}\n\n", encoded)
			_ = flusher.Flush()
		})
		fmt.Fprint(w, "data: [DONE]\n\n")
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}
