package fakellm

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

func serve(t *testing.T, options Options) (*Server, string) {
	t.Helper()
	s := New(options)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func post(t *testing.T, url, body string, header http.Header) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		messages []message
		want     string
	}{
		"nothing": {nil, ""},
		"extraction": {
			[]message{{"system", "You are a Knowledge Graph Specialist."}, {"user", "---Task---\n\n---Input Text---\n```\nthe Otter meets Kelp. and Otter sleeps\n```\n\n---Output---\n"}},
			"entity<|#|>Otter<|#|>Concept<|#|>the Otter meets Kelp\nentity<|#|>Kelp<|#|>Concept<|#|>the Otter meets Kelp\n" +
				"relation<|#|>Otter<|#|>Kelp<|#|>stands with<|#|>the Otter meets Kelp\n<|COMPLETE|>",
		},
		"what was missed": {[]message{{"user", "---Input Text---\n```\nOtter\n```"}, {"assistant", "entity"}, {"user", "---Task---\nBased on the last extraction task, …"}}, "<|COMPLETE|>"},
		"a summary":       {[]message{{"user", "Description List:\n\n```\n{\"Description\": \"it swims\"}\n```\n"}}, `{"Description": "it swims"}`},
		"keywords": {
			[]message{{"user", "give \"high_level_keywords\"\n---Real Data---\nUser Query: how does the Otter sleep?\n\n---Output---"}},
			`{"high_level_keywords":["how","does","the","sleep"],"low_level_keywords":["Otter"]}`,
		},
		"a question with a context": {[]message{{"system", "rules\n---Context---\n\nIt floats."}, {"user", "how?"}}, "The context says: It floats."},
		"one without":               {[]message{{"system", "rules"}, {"user", "how?"}}, "Without a context I was asked: how?"},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, answer(test.messages)); diff != "" {
			t.Errorf("%s: want - got +\n%s", name, diff)
		}
	}
}

func TestChat_Whole(t *testing.T) {
	t.Parallel()
	s, url := serve(t, Options{})
	status, body := post(t, url+"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"how "},{"type":"text","text":"now"}]}]}`, nil)
	var answer completion
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if len(answer.Choices) != 1 || answer.Choices[0].Message.Content != "Without a context I was asked: how now" || answer.Usage.Prompt != 2 || s.Chats() != 1 {
		t.Errorf("got %s after %d chats", body, s.Chats())
	}
}

func TestChat_Streamed(t *testing.T) {
	t.Parallel()
	_, url := serve(t, Options{})
	_, body := post(t, url+"/v1/chat/completions", `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"how now"}]}`, nil)
	var text strings.Builder
	finished, used := false, 0
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	for _, event := range events[:len(events)-1] {
		var chunk completion
		if err := json.Unmarshal([]byte(strings.TrimPrefix(event, "data: ")), &chunk); err != nil {
			t.Fatalf("%q: %v", event, err)
		}
		if chunk.Usage != nil {
			used = chunk.Usage.Total
		}
		for _, c := range chunk.Choices {
			text.WriteString(c.Delta.Content)
			finished = finished || c.Finish != nil
		}
	}
	if text.String() != "Without a context I was asked: how now" || !finished || used == 0 || events[len(events)-1] != "data: [DONE]" {
		t.Errorf("got %q, finished %v, %d tokens, in\n%s", &text, finished, used, body)
	}
}

// A held model answers nobody before it is released, in the middle of an answer where that is wished.
func TestChat_Held(t *testing.T) {
	t.Parallel()
	s, url := serve(t, Options{})
	release := s.Hold()
	answered := make(chan string, 1)
	go func() {
		_, body := post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}]}`, nil)
		answered <- body
	}()
	awaitHeld(t, s)
	select {
	case body := <-answered:
		t.Fatalf("a held model answered %s", body)
	default:
	}
	release()
	release()
	if body := <-answered; !strings.Contains(body, "asked: x") {
		t.Errorf("got %s", body)
	}

	release = s.HoldWithin()
	response, err := http.DefaultClient.Do(streamed(t, url))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	begun := make([]byte, 1)
	if _, err := io.ReadFull(response.Body, begun); err != nil {
		t.Fatal(err)
	}
	awaitHeld(t, s)
	release()
	rest, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("got %q, %v", rest, err)
	}
}

func awaitHeld(t *testing.T, s *Server) {
	t.Helper()
	testkit.Eventually(t, "a chat to wait", func() error {
		if s.Waiting() == 0 {
			return errors.New("none does")
		}
		return nil
	})
}

func streamed(t *testing.T, url string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions",
		strings.NewReader(`{"stream":true,"messages":[{"role":"user","content":"x y z"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func TestEmbed(t *testing.T) {
	t.Parallel()
	_, url := serve(t, Options{Dimensions: 64})
	for format, number := range map[string]func(any) float32{
		"float": func(v any) float32 { return float32(v.([]any)[3].(float64)) },
		"base64": func(v any) float32 {
			data, err := base64.StdEncoding.DecodeString(v.(string))
			if err != nil || len(data) != 4*64 {
				t.Fatalf("%d bytes: %v", len(data), err)
			}
			return math.Float32frombits(binary.LittleEndian.Uint32(data[12:]))
		},
	} {
		_, body := post(t, url+"/v1/embeddings", fmt.Sprintf(`{"model":"m","encoding_format":%q,"input":["a b","A, b!"]}`, format), nil)
		var got struct{ Data []embedding }
		if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Data) != 2 {
			t.Fatalf("%s: %v", body, err)
		}
		want := Embed("a b", 64)[3]
		if first, second := number(got.Data[0].Embedding), number(got.Data[1].Embedding); first != want || second != want {
			t.Errorf("%s: got %v and %v, want %v", format, first, second, want)
		}
	}
	near, far := cosine("sea otters sleep", "otters sleep afloat"), cosine("sea otters sleep", "a bridge hangs")
	if near < 0.5 || far > 0.2 {
		t.Errorf("texts that share words are %v near, others %v", near, far)
	}
	if length := cosine("", ""); math.Abs(length-1) > 1e-6 {
		t.Errorf("the vector of nothing has length %v", length)
	}
	if status, body := post(t, url+"/v1/embeddings", `{"input":"x","dimensions":99999}`, nil); status != http.StatusBadRequest {
		t.Errorf("got %d %s for too many dimensions", status, body)
	}
}

func cosine(a, b string) (sum float64) {
	left, right := Embed(a, 4096), Embed(b, 4096)
	for i := range left {
		sum += float64(left[i]) * float64(right[i])
	}
	return sum
}

func TestServer_WantsItsKey(t *testing.T) {
	t.Parallel()
	_, url := serve(t, Options{Key: "right"})
	for header, want := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer right": 200} {
		status, _ := post(t, url+"/v1/embeddings", `{"input":"x"}`, http.Header{"Authorization": {header}})
		if status != want {
			t.Errorf("%q: got %d, want %d", header, status, want)
		}
	}
	if status, _ := post(t, url+"/v1/chat/completions", "{", http.Header{"Authorization": {"Bearer right"}}); status != http.StatusBadRequest {
		t.Errorf("got %d for a broken body", status)
	}
}
