package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"workspace-router/configs"
	"workspace-router/internal/admin"
	"workspace-router/internal/catalog"
	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// lightrags are the environments of a router whose default kind is lightrag, with one workspace.
func lightrags(t *testing.T, environ ...string) (environments, workspace.Ref, *observer.ObservedLogs) {
	t.Helper()
	config, _, err := configs.Load(configs.Source{Environ: append(environ, "LLM_BINDING=openai"), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	now, err := newLive(config)
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	c, err := catalog.Open(t.Context(), catalog.Config{Path: filepath.Join(data, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w, _, err := c.Create(t.Context(), catalog.NewWorkspace{Tenant: workspace.DefaultTenant, Name: "alpha", Kind: "lightrag"})
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	return environments{c, func() *live { return now }, data, zap.New(core)}, w.Ref, logs
}

func TestEnvironments_TakeWhatALaunchWouldTake(t *testing.T) {
	t.Parallel()
	e, ref, logs := lightrags(t, "ROUTER_KIND_LIGHTRAG_ENVIRONMENT_TOP_K=7")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("sk-pl4nted\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := e.ChangeEnvironment(t.Context(), ref, admin.EnvironmentChange{Set: []workspace.Variable{
		workspace.NewVariable("LLM_MODEL", "pl4nted"), workspace.NewVariable("TOP_K", "9"), workspace.VariableFromFile("LLM_BINDING_API_KEY", file),
		workspace.NewVariable("EMBEDDING_MODEL", "pl4nted"), workspace.NewVariable("EMBEDDING_DIM", "64"),
	}})
	if err != nil || len(list) != 5 {
		t.Fatalf("got %v, %v", list, err)
	}
	read, err := e.Environment(t.Context(), ref)
	if err != nil || fmt.Sprint(read) != fmt.Sprint(list) {
		t.Errorf("got %v, %v", read, err)
	}
	spec, err := describe(e.catalog, e.inForce)(t.Context(), ref)
	if err != nil || len(spec.Environment) != 5 {
		t.Errorf("a launch gets %v, %v", spec.Environment, err)
	}
	if told := fmt.Sprintf("%+v %+v %+v", logs.All(), read, spec.Environment); strings.Contains(told, "pl4nted") || !strings.Contains(told, "LLM_BINDING_API_KEY") {
		t.Errorf("it was told: %s", told)
	}
}

func TestEnvironments_RefuseWithTheNameAndTheReason(t *testing.T) {
	t.Parallel()
	value := func(name string) []workspace.Variable {
		return []workspace.Variable{workspace.NewVariable(name, "pl4nted")}
	}
	for name, test := range map[string]struct {
		environ []string
		change  admin.EnvironmentChange
		says    []string
	}{
		"refused":        {change: admin.EnvironmentChange{Set: value("POSTGRES_WORKSPACE")}, says: []string{`POSTGRES_WORKSPACE: the kind "lightrag" refuses this variable`}},
		"set by itself":  {change: admin.EnvironmentChange{Set: value("WORKING_DIR")}, says: []string{"WORKING_DIR", "sets this variable itself"}},
		"not taken":      {change: admin.EnvironmentChange{Set: value("LD_PRELOAD")}, says: []string{"LD_PRELOAD", "does not take this variable"}},
		"no name":        {change: admin.EnvironmentChange{Set: value("LLM MODEL")}, says: []string{"LLM MODEL", "letters, digits and _"}},
		"no name to go":  {change: admin.EnvironmentChange{Remove: []string{"A=B"}}, says: []string{`"A=B"`, "letters, digits and _"}},
		"no text":        {change: admin.EnvironmentChange{Set: []workspace.Variable{workspace.NewVariable("LLM_MODEL", "pl4nted\x00")}}, says: []string{"LLM_MODEL", "no text"}},
		"no file":        {change: admin.EnvironmentChange{Set: []workspace.Variable{workspace.VariableFromFile("LLM_MODEL", "/nowhere/key")}}, says: []string{"LLM_MODEL", "/nowhere/key"}},
		"several":        {change: admin.EnvironmentChange{Set: append(value("WORKERS"), value("SSL")...)}, says: []string{"WORKERS: ", "; SSL: "}},
		"no size":        {change: admin.EnvironmentChange{Set: value("EMBEDDING_MODEL")}, says: []string{"EMBEDDING_DIM is needed with EMBEDDING_MODEL: LightRAG knows no size"}},
		"its size taken": {[]string{"EMBEDDING_MODEL=pl4nted", "EMBEDDING_DIM=64"}, admin.EnvironmentChange{Set: []workspace.Variable{workspace.NewVariable("EMBEDDING_DIM", "")}}, []string{"EMBEDDING_DIM is needed"}},
		"too much":       {change: admin.EnvironmentChange{Set: []workspace.Variable{workspace.NewVariable("LLM_MODEL", strings.Repeat("pl4nted ", 8192))}}, says: []string{"want at most 256 of 65536"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, ref, _ := lightrags(t, test.environ...)
			_, err := e.ChangeEnvironment(t.Context(), ref, test.change)
			if !errors.Is(err, problem.ErrBadRequest) || strings.Contains(err.Error(), "pl4nted") {
				t.Fatalf("got %v, want a refusal without a value", err)
			}
			for _, text := range test.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("got %v, want %q", err, text)
				}
			}
			if list, err := e.Environment(t.Context(), ref); err != nil || len(list) != 0 {
				t.Errorf("it has %v, %v", list, err)
			}
		})
	}
}
