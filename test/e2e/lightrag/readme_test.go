package lightrag

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

// readmeSection is the part of the README that a user of LightRAG reads.
const readmeSection = "## With your LightRAG\n"

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestReadme_FromAnEnvToTwoWorkspaces runs the README's commands for users of LightRAG as they stand there, but for the
// place of the program and the port, in a folder with a .env and two PDF files.
func TestReadme_FromAnEnvToTwoWorkspaces(t *testing.T) {
	t.Parallel()
	r := place(t, newest)
	port := freePort(t)
	settings := append(r.environment, "LIGHTRAG_API_KEY=the-key-of-the-env", "HOST=127.0.0.1", "PORT="+port)
	for name, content := range map[string][]byte{
		".env": []byte(strings.Join(settings, "\n") + "\n"), "a.pdf": portable(ofAstrid), "b.pdf": portable(ofDuarte),
	} {
		if err := os.WriteFile(filepath.Join(r.folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := readmeCommands(t)
	if len(commands) != 3 {
		t.Fatalf("the README has %d commands for users of LightRAG, want 3: %q", len(commands), commands)
	}
	for i, command := range commands {
		command = strings.ReplaceAll(command, "path/to/bin/router", binaries.Path("router"))
		commands[i] = strings.ReplaceAll(command, ":9621", ":"+port)
	}
	r.Router = &testkit.Router{URL: "http://127.0.0.1:" + port, Key: "the-key-of-the-env", DataDir: filepath.Join(r.folder, "data"), Binaries: binaries}
	serveByShell(t, r, commands[0])
	for _, command := range commands[1:] {
		if output, err := shell(t, r, command).CombinedOutput(); err != nil || !strings.Contains(string(output), `"success"`) {
			t.Fatalf("%s: %v: %s", command, err, output)
		}
	}
	for workspace, markers := range map[string][2]string{"alpha": {"Astrid", "Duarte"}, "beta": {"Duarte", "Astrid"}} {
		r.indexed(t, workspace, 1)
		if answer := r.query(t, workspace, "mix", where); !strings.Contains(answer, markers[0]) || strings.Contains(answer, markers[1]) {
			t.Errorf("%s says %s", workspace, answer)
		}
	}
}

// readmeCommands gives the lines of the section's shell blocks.
func readmeCommands(t *testing.T) (list []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testkit.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(content), readmeSection)
	if !found {
		t.Fatalf("the README has no section %q", readmeSection)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range shellBlock.FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				list = append(list, line)
			}
		}
	}
	return list
}

// shell prepares a command as somebody types it in the folder, with the key of the .env at hand.
func shell(t *testing.T, r *rig, command string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience) // clean-ups outlive the test's context
	t.Cleanup(cancel)
	run := exec.CommandContext(ctx, "bash", "-c", "set -e; exec "+command)
	run.Dir = r.folder
	run.Env = []string{
		"PATH=" + filepath.Join(places[newest], "bin") + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"LIGHTRAG_API_KEY=" + r.Key, "ROUTER_OPERATOR_LISTEN=127.0.0.1:0", "ROUTER_POOL_WAIT=" + patience.String(),
	}
	return run
}

// serveByShell runs the server until the end of the test.
func serveByShell(t *testing.T, r *rig, command string) {
	t.Helper()
	var output bytes.Buffer
	serve := shell(t, r, command)
	serve.Stdout, serve.Stderr = &output, &output
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		if err := serve.Wait(); err != nil || t.Failed() {
			t.Errorf("the router ended with %v:\n%s", err, output.String())
		}
		testkit.NothingLeft(t, r.DataDir)
	})
	testkit.Eventually(t, "the router to be ready", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		response, err := r.Do(ctx, testkit.Request{Path: "/readyz", NoKey: true})
		if err == nil && response.Status != http.StatusOK {
			err = fmt.Errorf("status %d", response.Status)
		}
		return err
	})
}

// portable makes a PDF of one page that holds the text.
func portable(text string) []byte {
	page := "BT /F1 12 Tf 40 700 Td 14 TL"
	for sentence := range strings.SplitAfterSeq(text, ". ") {
		page += fmt.Sprintf(" (%s) Tj T*", strings.NewReplacer("(", `\(`, ")", `\)`, `\`, `\\`).Replace(sentence))
	}
	page += " ET"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(page), page),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var out bytes.Buffer
	out.WriteString("%PDF-1.4\n")
	var table strings.Builder
	for i, object := range objects {
		fmt.Fprintf(&table, "%010d 00000 n \n", out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	begins := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table.String(), len(objects)+1, begins)
	return out.Bytes()
}
