package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSecret_IsMaskedHoweverItIsPrinted(t *testing.T) {
	t.Parallel()
	const value = "s3cret-value"
	config, _, err := Load(Source{Dir: t.TempDir(), Environ: []string{
		"LIGHTRAG_API_KEY=" + value, "ROUTER_KIND_EMBEDDED_ENVIRONMENT_LLM_BINDING_API_KEY=" + value, "LLM_BINDING_API_KEY=" + value,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if config.APIKey.Reveal() != value {
		t.Fatalf("the key is %q", config.APIKey.Reveal())
	}
	if key, _ := config.Environment.Lookup("LLM_BINDING_API_KEY"); key != value {
		t.Fatalf("kinds see %q", key)
	}
	config.Profiles = nil // what a kind's processes get is not for printing, and holds the value
	var texts []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		texts = append(texts, fmt.Sprintf(verb, config), fmt.Sprintf(verb, &config), fmt.Sprintf(verb, config.APIKey), fmt.Sprintf(verb, config.Environment))
	}
	asJSON, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := config.YAML()
	if err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(config.Settings())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(texts, string(asJSON), string(asYAML), string(shown), string(settings)) {
		if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
			t.Errorf("the secret is in %s", text)
		}
	}
	if !bytes.Contains(shown, []byte(masked)) {
		t.Errorf("the mask is not in %s", shown)
	}
}

func TestConfigYAML_IsAFileThatLoads(t *testing.T) {
	t.Parallel()
	first := mustLoad(t, Source{Environ: []string{"ROUTER_POOL_WAIT=7s", "ROUTER_KIND_EMBEDDED_PROGRAM=/x", "ROUTER_AUTO_CREATE=off"}})
	content, err := first.YAML()
	if err != nil {
		t.Fatal(err)
	}
	second := mustLoad(t, Source{File: write(t, "router.yaml", string(content))})
	again, err := second.YAML()
	if err != nil || string(again) != string(content) {
		t.Errorf("loading what was shown gives\n%s(%v), want\n%s", again, err, content)
	}
}
