package kind

import (
	"encoding/json"
	"mime"
	"strconv"
	"time"

	"workspace-router/internal/workspace"
)

// DefaultModelTag is the tag of models where nothing says another.
const DefaultModelTag = "latest"

// Render gives the body of a fixed answer for one workspace, whose models have the tag (Kind.ModelTag). Values go in as the inside of a JSON string, so that no
// name can change the shape of the answer.
func (a *Answer) Render(w workspace.Workspace, modelTag string) string {
	return expandJSON(a.Body, func(name string) string {
		switch name {
		case "workspace":
			return w.String()
		case "tenant":
			return string(w.Tenant)
		case "generation":
			return string(w.Generation)
		case "worker_name":
			return w.WorkerName
		case "kind":
			return w.Kind
		case "model_tag":
			if modelTag == "" {
				return DefaultModelTag
			}
			return modelTag
		case "nanoseconds":
			return strconv.FormatInt(time.Now().UnixNano(), 10)
		}
		return ""
	})
}

// expandJSON is Expand with values as the inside of JSON strings.
func expandJSON(template string, value func(name string) string) string {
	expanded, err := Expand(template, func(name string) (string, bool) {
		quoted, err := json.Marshal(value(name))
		if err != nil { // a string can always be written
			return "", true
		}
		return string(quoted[1 : len(quoted)-1]), true
	})
	if err != nil { // only for a name that is not known, and all are
		return template
	}
	return expanded
}

func (v *validator) answer(a *Answer, field string) {
	v.status(a.Status, field+".status")
	v.template(a.Body, field+".body", answerNames)
	media, _, err := mime.ParseMediaType(a.ContentType)
	if err != nil {
		v.at(field+".content_type", "got %q, want a media type such as application/json", a.ContentType)
	}
	if sample := expandJSON(a.Body, sampleValue); media == "application/json" && !json.Valid([]byte(sample)) {
		v.at(field+".body", "is not valid JSON, as its content_type %s promises", a.ContentType)
	}
}

// sampleValue stands for a value where only the shape of an answer counts: a number needs no quotes around it.
func sampleValue(name string) string {
	if name == "nanoseconds" {
		return "1"
	}
	return "x"
}
