package server_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/model"
)

const honey = `"query":"How much honey does a hive store?"`

func TestServer_QuotesWithoutAModel(t *testing.T) {
	t.Parallel()
	a := withBees(t, nil)
	for _, mode := range answer.Modes() {
		got := a.decode(a.send(http.MethodPost, "/query", `{`+honey+`,"mode":"`+mode+`"}`), 200)
		reference := got["references"].([]any)[0].(map[string]any)
		metadata := got["metadata"].(map[string]any)
		if !strings.Contains(got["response"].(string), "> A hive stores sixty pounds") || got["llm_generated"] != false || got["response_time"] == nil ||
			reference["reference_id"] != "1" || reference["file_path"] != "bees.md" || len(reference["content"].([]any)) == 0 ||
			metadata["mode"] != mode || metadata["retrieval"] != "bm25" || metadata["generation"] != "quotes" {
			t.Errorf("mode %s: %v", mode, got)
		}
	}
	got := a.decode(a.send(http.MethodPost, "/query", `{`+honey+`,"include_references":false}`), 200)
	if got["references"] != nil {
		t.Errorf("references were not wanted: %v", got["references"])
	}
}

func TestServer_FindsNothingWhereNothingIs(t *testing.T) {
	t.Parallel()
	a := withBees(t, nil)
	for _, query := range []string{"Who leads the Debian project?", "what is the and of it?", "???", "zzzz", "honey badgers in South African deserts"} {
		got := a.decode(a.send(http.MethodPost, "/query", `{"query":"`+query+`"}`), 200)
		if got["response"] != answer.Nothing || len(got["references"].([]any)) != 0 {
			t.Errorf("%q: %v", query, got)
		}
	}
}

func TestServer_AnswersWithAModel(t *testing.T) {
	t.Parallel()
	llm := &talker{pieces: []string{"Sixty ", "pounds [1]."}}
	a := withBees(t, llm)
	got := a.decode(a.send(http.MethodPost, "/query", `{`+honey+`,"user_prompt":"Be brief","response_type":"One Word",
		"conversation_history":[{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi"}]}`), 200)
	if got["response"] != "Sixty pounds [1].\n\n### References\n\n- [1] bees.md" || got["llm_generated"] != true {
		t.Errorf("got %v", got)
	}
	if _, told := got["references"].([]any)[0].(map[string]any)["content"]; told {
		t.Errorf("passages were not asked for: %v", got["references"])
	}
	system, last := llm.asked[0], llm.asked[len(llm.asked)-1]
	if len(llm.asked) != 4 || system.Role != "system" || !strings.Contains(system.Content, "sixty pounds") || !strings.Contains(system.Content, "Be brief") ||
		!strings.Contains(system.Content, "One Word") || last.Content != "How much honey does a hive store?" {
		t.Errorf("the model was asked %v", llm.asked)
	}
	with := a.decode(a.send(http.MethodPost, "/query", `{`+honey+`,"include_chunk_content":true}`), 200)
	if len(with["references"].([]any)[0].(map[string]any)["content"].([]any)) == 0 {
		t.Errorf("passages were asked for: %v", with["references"])
	}
	alone := a.decode(a.send(http.MethodPost, "/query", `{"query":"Hi","mode":"bypass"}`), 200)
	if alone["response"] != "Sixty pounds [1]." || len(llm.asked) != 1 {
		t.Errorf("bypass gave %v, asking %v", alone, llm.asked)
	}
	context := a.decode(a.send(http.MethodPost, "/query", `{`+honey+`,"only_need_context":true}`), 200)
	prompt := a.decode(a.send(http.MethodPost, "/query", `{`+honey+`,"only_need_prompt":true}`), 200)
	if context["llm_generated"] != false || !strings.HasPrefix(context["response"].(string), "> A hive") ||
		prompt["llm_generated"] != false || !strings.HasPrefix(prompt["response"].(string), "system: Answer") {
		t.Errorf("context %v, prompt %v", context, prompt)
	}
}

func TestServer_TellsOfAModelThatFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    error
		status int
	}{
		"timeout": {&model.Error{Model: "talker", Err: model.ErrTimeout}, 504},
		"status":  {&model.Error{Model: "talker", Err: &model.StatusError{Status: 500, Detail: "secret"}}, 502},
		"refused": {&model.Error{Model: "talker", Err: errors.New("connection to secret refused")}, 502},
		"other":   {errors.New("secret"), 500},
	}
	llm := &talker{pieces: []string{"Sixty "}}
	a := withBees(t, llm)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			llm.err = test.err
			r := a.send(http.MethodPost, "/query", `{`+honey+`}`)
			if detail, ok := a.decode(r, test.status)["detail"].(string); !ok || detail == "" || strings.Contains(detail, "secret") {
				t.Errorf("got %s", r.Body)
			}
			lines := a.ndjson(a.send(http.MethodPost, "/query/stream", `{`+honey+`}`))
			last := lines[len(lines)-1]
			if text, ok := last["error"].(string); !ok || text == "" || strings.Contains(text, "secret") || lines[1]["response"] != "Sixty " {
				t.Errorf("the stream is %v", lines)
			}
			chat := a.ndjson(a.send(http.MethodPost, "/api/chat", `{"model":"x","messages":[{"role":"user","content":"How much honey does a hive store?"}]}`))
			if end := chat[len(chat)-1]; end["done"] != true || chat[len(chat)-2]["error"] == nil {
				t.Errorf("the chat is %v", chat)
			}
		})
	}
}

func TestServer_StreamsReferencesFirst(t *testing.T) {
	t.Parallel()
	a := withBees(t, &talker{pieces: []string{"Sixty ", "pounds."}})
	lines := a.ndjson(a.send(http.MethodPost, "/query/stream", `{`+honey+`}`))
	if len(lines) != 4 || lines[0]["references"] == nil || lines[1]["response"] != "Sixty " || lines[2]["response"] != "pounds." ||
		!strings.Contains(lines[3]["response"].(string), "[1] bees.md") {
		t.Errorf("the stream is %v", lines)
	}
	whole := a.ndjson(a.send(http.MethodPost, "/query/stream", `{`+honey+`,"stream":false,"include_references":false}`))
	if len(whole) != 1 || whole[0]["llm_generated"] != true {
		t.Errorf("the whole is %v", whole)
	}
}

func TestServer_GivesData(t *testing.T) {
	t.Parallel()
	a := withBees(t, nil)
	got := a.decode(a.send(http.MethodPost, "/query/data", `{`+honey+`,"mode":"hybrid"}`), 200)
	data := got["data"].(map[string]any)
	first := data["chunks"].([]any)[0].(map[string]any)
	if got["status"] != "success" || first["file_path"] != "bees.md" || first["reference_id"] != "1" || !strings.HasPrefix(first["chunk_id"].(string), "chunk-") ||
		!strings.Contains(first["content"].(string), "sixty pounds") || len(data["entities"].([]any)) != 0 || len(data["references"].([]any)) != 1 ||
		got["metadata"].(map[string]any)["query_mode"] != "hybrid" {
		t.Errorf("got %v", got)
	}
	none := a.decode(a.send(http.MethodPost, "/query/data", `{"query":"submarines of Norway"}`), 200)
	if data := none["data"].(map[string]any); data["chunks"] == nil || data["references"] == nil || len(data["chunks"].([]any)) != 0 {
		t.Errorf("got %v", none)
	}
}

func TestServer_RefusesBadRequests(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil, nil)
	tests := map[string]struct{ method, path, body, location string }{
		"no query":             {"POST", "/query", `{}`, `["body","query"]`},
		"blank query":          {"POST", "/query", `{"query":"  "}`, `["body","query"]`},
		"short query":          {"POST", "/query", `{"query":"ab"}`, `["body","query"]`},
		"query of wrong type":  {"POST", "/query", `{"query":7}`, `["body","query"]`},
		"unknown mode":         {"POST", "/query/stream", `{"query":"honey","mode":"graph"}`, `["body","mode"]`},
		"no JSON":              {"POST", "/query/data", `{"query":`, `["body"]`},
		"no body":              {"POST", "/query", ``, `["body"]`},
		"top_k":                {"POST", "/query", `{"query":"honey","top_k":0}`, `["body","top_k"]`},
		"history without role": {"POST", "/query", `{"query":"honey","conversation_history":[{"content":"x"}]}`, `["body","conversation_history"]`},
		"no text":              {"POST", "/documents/text", `{}`, `["body","text"]`},
		"blank text":           {"POST", "/documents/text", `{"text":" \n"}`, `["body","text"]`},
		"no texts":             {"POST", "/documents/texts", `{"texts":[]}`, `["body","texts"]`},
		"more sources":         {"POST", "/documents/texts", `{"texts":["a"],"file_sources":["a","b"]}`, `["body","file_sources"]`},
		"no ids":               {"DELETE", "/documents/delete_document", `{}`, `["body","doc_ids"]`},
		"page":                 {"POST", "/documents/paginated", `{"page":0}`, `["body","page"]`},
		"page size":            {"POST", "/documents/paginated", `{"page_size":1000}`, `["body","page_size"]`},
		"sort field":           {"POST", "/documents/paginated", `{"sort_field":"x"}`, `["body","sort_field"]`},
		"sort direction":       {"POST", "/documents/paginated", `{"sort_direction":"up"}`, `["body","sort_direction"]`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := a.send(test.method, test.path, test.body)
			if r.Code != 422 || !strings.Contains(r.Body.String(), `{"detail":[{"type":"`) || !strings.Contains(r.Body.String(), `"loc":`+test.location) {
				t.Errorf("got %d %s, want 422 at %s", r.Code, r.Body, test.location)
			}
		})
	}
	if r := a.send("POST", "/documents/text", `{"text":"`+strings.Repeat("x", 1<<20)+`"}`); r.Code != 413 {
		t.Errorf("too large a body: %d %s", r.Code, r.Body)
	}
}
