package server_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestServer_PlaysOllama(t *testing.T) {
	t.Parallel()
	llm := &talker{pieces: []string{"Sixty ", "pounds."}}
	a := withBees(t, llm)
	if got := a.decode(a.send(http.MethodGet, "/api/version", ""), 200); got["version"] != "0.9.3" {
		t.Errorf("the version is %v", got)
	}
	for _, path := range []string{"/api/tags", "/api/ps"} {
		models := a.decode(a.send(http.MethodGet, path, ""), 200)["models"].([]any)
		if len(models) != 1 || models[0].(map[string]any)["model"] != "alpha:latest" || models[0].(map[string]any)["details"] == nil {
			t.Errorf("%s says %v", path, models)
		}
	}
	const chat = `{"model":"ignored","messages":[{"role":"system","content":"s"},{"role":"user","content":"How much honey does a hive store?"}]`
	lines := a.ndjson(a.send(http.MethodPost, "/api/chat", chat+`}`, "Content-Type", "application/octet-stream"))
	first, last := lines[0], lines[len(lines)-1]
	if first["model"] != "alpha:latest" || first["done"] != false || first["message"].(map[string]any)["content"] != "Sixty " ||
		last["done"] != true || last["done_reason"] != "stop" || last["total_duration"] == nil {
		t.Errorf("the stream is %v", lines)
	}
	whole := a.decode(a.send(http.MethodPost, "/api/chat", chat+`,"stream":false}`), 200)
	if whole["done"] != true || !strings.HasPrefix(whole["message"].(map[string]any)["content"].(string), "Sixty pounds.") {
		t.Errorf("the whole is %v", whole)
	}
	generated := a.decode(a.send(http.MethodPost, "/api/generate", `{"model":"x","prompt":"hello","system":"be kind"}`), 200)
	if generated["response"] != "Sixty pounds." || generated["done"] != true || len(llm.asked) != 2 || llm.asked[0].Content != "be kind" {
		t.Errorf("generated %v, asking %v", generated, llm.asked)
	}
	for _, body := range []string{`{"model":"x"}`, `{"model":"x","messages":[{"role":"assistant","content":"x"}]}`, `{`} {
		if r := a.send(http.MethodPost, "/api/chat", body); r.Code != 400 {
			t.Errorf("%s answered %d %s", body, r.Code, r.Body)
		}
	}
}

func TestServer_ReadsModesFromAChat(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		asked   string // the last message for the model; empty: it is not asked
		system  string // part of the system message; empty: there is none
		context bool   // the answer is the passages
	}{
		"how much honey":                         {"how much honey", "sixty pounds", false},
		"/naive how much honey":                  {"how much honey", "sixty pounds", false},
		"/local[in French] how much honey":       {"how much honey", "in French", false},
		"/[as a table] how much honey":           {"how much honey", "as a table", false},
		"/bypass how much honey":                 {"how much honey", "", false},
		"/context how much honey":                {"", "", true},
		"/mixcontext how much honey":             {"", "", true},
		"/honey how much honey":                  {"/honey how much honey", "sixty pounds", false},
		"/ how much honey":                       {"/ how much honey", "sixty pounds", false},
		"how much honey\nis in /naive questions": {"", "", false},
	}
	llm := &talker{pieces: []string{"said"}}
	a := withBees(t, llm)
	for content, test := range tests {
		t.Run(content, func(t *testing.T) {
			llm.asked = nil
			body := `{"model":"x","stream":false,"messages":[{"role":"user","content":"` + strings.ReplaceAll(content, "\n", `\n`) + `"}]}`
			text := a.decode(a.send(http.MethodPost, "/api/chat", body), 200)["message"].(map[string]any)["content"].(string)
			if test.context != strings.HasPrefix(text, "> A hive") {
				t.Errorf("the answer is %q", text)
			}
			if test.asked == "" {
				return
			}
			if len(llm.asked) == 0 || llm.asked[len(llm.asked)-1].Content != test.asked {
				t.Fatalf("the model was asked %v", llm.asked)
			}
			if system := llm.asked[0]; (system.Role == "system") != (test.system != "") || !strings.Contains(system.Content, test.system) {
				t.Errorf("the model was told %v", llm.asked)
			}
		})
	}
}
