package workspace

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestVariable_IsNeverPrintedWithItsValue(t *testing.T) {
	t.Parallel()
	v := NewVariable("LLM_BINDING_API_KEY", "sk-planted")
	nested := struct{ List []Variable }{[]Variable{v}}
	written, err := json.Marshal(nested)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(v), fmt.Sprintf("%+v %#v %s %q %d %x", v, v, v, v, v, v), fmt.Sprintf("%+v %#v", nested, nested), fmt.Sprintf("%v", &v), string(written),
	} {
		if strings.Contains(text, "planted") || strings.Contains(text, "706c616e746564") || !strings.Contains(text, "LLM_BINDING_API_KEY") {
			t.Errorf("got %q, want the name and no value", text)
		}
	}
	if v.Reveal() != "sk-planted" {
		t.Errorf("got %q", v.Reveal())
	}
	if got := fmt.Sprint(VariableFromFile("KEY", "/etc/key")); got != `KEY from "/etc/key"` {
		t.Errorf("got %s", got)
	}
}
