package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"workspace-router/internal/testkit"
)

// TestClients has all of them use one router, one after the other.
func TestClients(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, client := range []struct {
		name string
		use  func(*testing.T, *scene)
	}{
		{"Ollama's at the bare address", ollamaBare},
		{"Ollama's below a prefix and at a listener", ollamaBound},
		{"Open WebUI's traffic", openWebUI},
		{"requests and httpx", requestsAndHTTPX},
		{"MCP", mcp},
		{"curl", curl},
	} {
		t.Run(client.name, func(t *testing.T) { client.use(t, s) })
	}
}

// chatter is what ollama_client.py says of one address.
type chatter struct {
	Models  []string
	Running []string
	Answers map[string]struct {
		Chat, Stream, Generate string
		Parts                  int
		Done                   bool
	}
}

func ollamaBare(t *testing.T, s *scene) {
	var results map[string]chatter
	s.python(t, "ollama_client.py", []string{"HOSTS=" + s.URL, "QUESTION=" + where}, &results)
	got := results[s.URL]
	if slices.Sort(got.Models); !slices.Equal(got.Models, []string{"astrid:latest", "duarte:latest"}) {
		t.Errorf("got the models %q, want one for each workspace", got.Models)
	}
	apart(t, "chat", got.Answers["astrid:latest"].Chat, "Astrid", "Duarte")
	apart(t, "chat", got.Answers["duarte:latest"].Chat, "Duarte", "Astrid")
	apart(t, "stream", got.Answers["astrid:latest"].Stream, "Astrid", "Duarte")
	apart(t, "stream", got.Answers["duarte:latest"].Stream, "Duarte", "Astrid")
	for model, answer := range got.Answers {
		if answer.Parts < 3 || !answer.Done || answer.Generate == "" {
			t.Errorf("%s: got %d parts, done %v, and %q of a completion", model, answer.Parts, answer.Done, answer.Generate)
		}
	}
}

func ollamaBound(t *testing.T, s *scene) {
	prefix, bound := s.URL+"/w/duarte", "http://"+s.bound
	var results map[string]chatter
	s.python(t, "ollama_client.py", []string{"HOSTS=" + prefix + " " + bound, "QUESTION=" + where}, &results)
	for address, want := range map[string][3]string{prefix: {"duarte:latest", "Duarte", "Astrid"}, bound: {"astrid:latest", "Astrid", "Duarte"}} {
		got := results[address]
		if !slices.Equal(got.Models, []string{want[0]}) || !slices.Equal(got.Running, []string{want[0]}) {
			t.Errorf("%s: got the models %q, running %q, want %s alone", address, got.Models, got.Running, want[0])
		}
		apart(t, address, got.Answers[want[0]].Chat, want[1], want[2])
		apart(t, address, got.Answers[want[0]].Stream, want[1], want[2])
	}
}

// openWebUI sends what Open WebUI sends to each of its Ollama connections: a bearer key, headers about its user, a
// question after the version, the list of models, which it merges by name, and chats that are streamed.
func openWebUI(t *testing.T, s *scene) {
	header := http.Header{
		"Authorization": {"Bearer " + s.Key}, "X-Openwebui-User-Name": {"Ada"}, "X-Openwebui-User-Id": {"1"}, "X-Openwebui-User-Role": {"admin"},
	}
	owners := map[string]string{}
	for name, markers := range map[string][2]string{"astrid": {"Astrid", "Duarte"}, "duarte": {"Duarte", "Astrid"}} {
		base := "/w/" + name
		s.Must(t, http.StatusOK, testkit.Request{Path: base + "/api/version", Header: header, NoKey: true})
		var tags struct {
			Models []struct{ Name, Model string }
		}
		if err := s.Must(t, http.StatusOK, testkit.Request{Path: base + "/api/tags", Header: header, NoKey: true}).JSON(&tags); err != nil {
			t.Fatal(err)
		}
		for _, model := range tags.Models {
			if other, taken := owners[model.Model]; taken {
				t.Errorf("%s and %s share the model %s", other, name, model.Model)
			}
			owners[model.Model] = name
			chat := s.Must(t, http.StatusOK, testkit.Request{Method: http.MethodPost, Path: base + "/api/chat", Header: header, NoKey: true,
				Body: fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"/naive %s"}],"options":{},"stream":true}`, model.Model, where)})
			if kind := chat.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/x-ndjson") {
				t.Errorf("%s answers as %s, want lines of JSON", name, kind)
			}
			text := ""
			for line := range strings.Lines(chat.Body) {
				var part struct{ Message struct{ Content string } }
				if err := json.Unmarshal([]byte(line), &part); err != nil {
					t.Fatal(err)
				}
				text += part.Message.Content
			}
			apart(t, name, text, markers[0], markers[1])
		}
	}
	if len(owners) != 2 {
		t.Errorf("got the models %v, want one for each workspace", owners)
	}
	s.Must(t, http.StatusUnauthorized, testkit.Request{Path: "/w/astrid/api/tags", Header: http.Header{"Authorization": {"Bearer wrong"}}, NoKey: true})
}

func requestsAndHTTPX(t *testing.T, s *scene) {
	for name, way := range map[string]struct {
		base    string
		headers map[string]string
	}{
		"prefix": {s.URL + "/w/duarte", map[string]string{"X-API-Key": s.Key}},
		"header": {s.URL, map[string]string{"X-API-Key": s.Key, "LIGHTRAG-WORKSPACE": "duarte"}},
		"other":  {s.URL, map[string]string{"Authorization": "Bearer " + s.Key, "X-Workspace-ID": "duarte"}},
	} {
		headers, err := json.Marshal(way.headers)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Upload                   struct{ Status string }
			Query, Stream, Workspace string
		}
		s.python(t, "http_client.py", []string{"BASE=" + way.base, "HEADERS=" + string(headers), "QUESTION=" + where, "FILE=" + name + ".txt"}, &got)
		apart(t, name, got.Query, "Duarte", "Astrid")
		apart(t, name+", streamed", got.Stream, "Duarte", "Astrid")
		if got.Workspace != "duarte" || got.Upload.Status != "success" {
			t.Errorf("%s: got the workspace %q, the upload %+v", name, got.Workspace, got.Upload)
		}
	}
}

func mcp(t *testing.T, s *scene) {
	host, port, err := net.SplitHostPort(s.bound)
	if err != nil {
		t.Fatal(err)
	}
	var results map[string]any
	s.python(t, "mcp_client.py", []string{"TO_HOST=" + host, "TO_PORT=" + port, "QUESTION=" + where}, &results)
	delete(results, "tools")
	for _, name := range slices.Sorted(maps.Keys(results)) {
		text := fmt.Sprint(results[name])
		if strings.Contains(text, "Duarte") || !strings.Contains(text, `"success"`) {
			t.Errorf("%s: got %s", name, text)
		}
	}
	if answer := fmt.Sprint(results["query_document"]); !strings.Contains(answer, "Astrid") {
		t.Errorf("the query's answer is %s", answer)
	}
}

// curl sends what an HTTP node of a workflow sends: a form with a file, JSON, and a query by GET.
func curl(t *testing.T, s *scene) {
	run := func(arguments ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		arguments = append([]string{"--silent", "--show-error", "--fail-with-body", "--header", "X-API-Key: " + s.Key}, arguments...)
		output, err := exec.CommandContext(ctx, "curl", arguments...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %v: %v: %s", arguments[5:], err, output)
		}
		return string(output)
	}
	base := s.URL + "/w/astrid"
	if got := run("--form", "file=@main_test.go;filename=form.txt;type=text/plain", base+"/documents/upload"); !strings.Contains(got, `"success"`) {
		t.Errorf("the upload's answer is %s", got)
	}
	question := fmt.Sprintf(`{"query":%q,"mode":"naive","only_need_context":true}`, where)
	apart(t, "query", run("--json", question, "--header", "LIGHTRAG-WORKSPACE: duarte", s.URL+"/query"), "Duarte", "Keeper Astrid")
	apart(t, "graph", run("--get", "--data", "label=*", "--data", "max_depth=2", s.URL+"/w/duarte/graphs"), "Duarte", "Astrid")
}
