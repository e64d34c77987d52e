package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"workspace-router/internal/kind"
	"workspace-router/internal/workspace"
)

// Programs that speak Ollama know a base address and models. On the bare listener each workspace is a model: the listing
// names them, and the model that is asked for selects, where nothing else does.

// modelTag is what such programs put behind a model's name.
const modelTag = ":latest"

// modelAhead is how much of a body is read ahead for its model, in bytes.
const modelAhead = 64 << 10

// selectByModel goes by the `model` of a chat or completion, if it names a workspace that the principal sees.
func (c *chain) selectByModel(x *exchange) (w workspace.Workspace, found bool, err error) {
	path := x.path.Decoded
	if !x.bare || x.r.Method != http.MethodPost || path != "/api/chat" && path != "/api/generate" || x.body.ReadCloser == nil {
		return w, false, nil
	}
	model, err := x.readModel()
	if err != nil {
		return w, false, err
	}
	named, err := parseSelector(strings.TrimSuffix(model, modelTag), fromModel)
	if err != nil {
		return w, false, nil //nolint:nilerr // other models have names that no workspace can have
	}
	w, err = c.look(x, named, x.candidates(named))
	if errors.Is(err, workspace.ErrNotFound) {
		return w, false, nil
	}
	if err == nil {
		w, err = usable(w)
	}
	return w, true, err
}

// readModel reads the body up to the model, and puts what it has read before the rest; blank is none.
func (x *exchange) readModel() (string, error) {
	defer x.hurry()()
	body := x.body.ReadCloser
	var head bytes.Buffer
	source := &failingReader{Reader: body}
	model := firstModel(io.TeeReader(io.LimitReader(source, modelAhead), &head))
	if source.err != nil {
		return "", explainBody(source.err)
	}
	x.body.ReadCloser = &joinedBody{Reader: io.MultiReader(&head, body), Closer: body}
	return model, nil
}

// firstModel gives the first text "model" of a JSON object; blank where there is none.
func firstModel(r io.Reader) string {
	decoder := json.NewDecoder(r)
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return ""
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return ""
		}
		if key == "model" {
			var model string
			if decoder.Decode(&model) != nil {
				return ""
			}
			return model
		}
		var skipped json.RawMessage
		if decoder.Decode(&skipped) != nil {
			return ""
		}
	}
	return ""
}

// failingReader keeps what reading failed with, other than the end.
type failingReader struct {
	io.Reader
	err error
}

// Read reads.
func (f *failingReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// joinedBody is a body with its beginning put back.
type joinedBody struct {
	io.Reader
	io.Closer
}

// answerModels lists the workspaces that the principal may query as models. It starts nothing. Where a header selects,
// or there is none to list yet, the request goes on as any other.
func (c *chain) answerModels(x *exchange) error {
	if c.Projects != nil || !x.bare || x.path.Decoded != "/api/tags" || x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return nil
	}
	if _, given, _ := headerSelector(x.r.Header); given {
		return nil
	}
	models, err := c.models(x)
	if err != nil || len(models) == 0 {
		return err
	}
	content, err := json.Marshal(map[string][]model{"models": models})
	if err != nil {
		return err
	}
	x.w.Header().Set("Vary", varyBySelection)
	x.answerJSON(content)
	return nil
}

// model is one in the words of Ollama.
type model struct {
	Name       string       `json:"name"`
	Model      string       `json:"model"`
	ModifiedAt time.Time    `json:"modified_at"`
	Size       int64        `json:"size"`
	Digest     string       `json:"digest"`
	Details    modelDetails `json:"details"`
}

type modelDetails struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

func (c *chain) models(x *exchange) ([]model, error) {
	tenants, all := x.principal.Tenants()
	if all {
		tenants = []workspace.Name{""}
	}
	var models []model
	for _, tenant := range tenants {
		list, err := c.deps.Directory.List(x.r.Context(), tenant)
		if err != nil {
			return nil, err
		}
		for _, w := range list {
			if w.State != workspace.StateActive || !x.principal.May(w.Ref, workspace.QueryRun) || !x.chats(w.Kind) {
				continue
			}
			name := w.String() + modelTag
			models = append(models, model{
				Name: name, Model: name, ModifiedAt: w.CreatedAt, Digest: strings.ReplaceAll(string(w.Generation), "-", ""),
				Details: modelDetails{Format: "gguf", Family: w.Kind, Families: []string{w.Kind}},
			})
		}
	}
	return models, nil
}

// chats reports whether workspaces of the kind speak Ollama.
func (x *exchange) chats(name string) bool {
	profile, found := x.settings.Kinds.Kind(name)
	if !found {
		return false
	}
	const chat = "/api/chat"
	route, named := profile.Classify(http.MethodPost, kind.Path{Raw: chat, Decoded: chat})
	return named && !route.Closed
}
