package configs

import (
	"bytes"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"workspace-router/internal/kind"

	"github.com/google/go-cmp/cmp"
)

// leaves lists the keys of a configuration struct by its tags; the key of a map is written as `*`.
func leaves(of reflect.Type, prefix string) (list []string) {
	for i := range of.NumField() {
		field := of.Field(i)
		name := field.Tag.Get("koanf")
		if name == "" || name == "-" {
			continue
		}
		list = append(list, leavesOf(field.Type, prefix+name)...)
	}
	return list
}

func leavesOf(of reflect.Type, name string) []string {
	switch {
	case of == reflect.TypeFor[Secret]():
		return []string{name}
	case of.Kind() == reflect.Struct:
		return leaves(of, name+".")
	case of.Kind() == reflect.Map:
		return leavesOf(of.Elem(), name+".*")
	}
	return []string{name}
}

func TestKeys_AreThoseOfTheStruct(t *testing.T) {
	t.Parallel()
	want := leaves(reflect.TypeFor[Config](), "")
	var got []string
	for _, k := range Keys() {
		got = append(got, k.Name)
		if k.Doc == "" || k.Type == "" {
			t.Errorf("%s is not described", k.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys of the struct (-) and of the table (+):\n%s", diff)
	}
}

func TestReference_IsCurrentAndWhole(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Reference(&b); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), b.String()); diff != "" {
		t.Errorf("docs/configuration.md is stale; run \"make generate\" (-file +now):\n%s", diff)
	}
	for _, k := range Keys() {
		if strings.Count(b.String(), "`"+k.Environment()+"`") != 1 {
			t.Errorf("%s is not described once", k.Name)
		}
	}
}

var exampleLine = regexp.MustCompile(`(?m)^# ([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

func TestEnvExample_NamesEveryKeyAndNothingElse(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../env.example")
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	known, missing := map[string]bool{"HOST": true, "PORT": true, "CHROMA_HOST": true, "CHROMA_PORT": true}, map[string]bool{}
	for _, k := range Keys() {
		names := append([]string{k.Environment()}, k.Legacy...)
		if k.Name == "kind.*.environment.*" {
			names = []string{"ROUTER_KIND_EMBEDDED_ENVIRONMENT_TOP_K"}
		}
		for _, name := range names {
			name = strings.Replace(name, "<KIND>", "EMBEDDED", 1)
			known[name], missing[name] = true, true
		}
	}
	var environ []string
	for _, line := range exampleLine.FindAllStringSubmatch(string(content), -1) {
		name := line[1]
		passedOn := slices.ContainsFunc(shipped["embedded"].Processes[0].Allow, func(pattern string) bool { return kind.EnvironmentMatch(pattern, name) })
		if !known[name] && !passedOn {
			t.Errorf("%s means nothing", name)
		}
		delete(missing, name)
		environ = append(environ, name+"="+line[2])
	}
	for name := range maps.Keys(missing) {
		t.Errorf("%s is not in it", name)
	}
	// What it shows are the defaults, or harmless.
	config := mustLoad(t, Source{Environ: environ})
	got, want := flat(config), flat(Defaults())
	maps.DeleteFunc(got, func(key string, _ any) bool { return strings.HasPrefix(key, "kind.") })
	for _, key := range []string{"pool.start_concurrency", "pool.memory", "pool.files", "limits.connections"} { // by the machine
		delete(got, key)
		delete(want, key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values that are not the defaults (-default +example):\n%s", diff)
	}
}
