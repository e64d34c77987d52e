package preload

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/kind"
	"workspace-router/internal/testkit"
	"workspace-router/supervisor"
	"workspace-router/supervisor/process"
)

// lightragVersion is the newest that is served.
const lightragVersion = "1.5.7"

// TestFork_LightRAGsSettings gives LightRAG every variable that its code names another value than its default, and looks
// at all that it makes of them: the arguments of its server, the defaults of its classes, the values in its modules. A
// forked process must make the same of them as an executed one.
func TestFork_LightRAGsSettings(t *testing.T) {
	t.Parallel()
	place, err := testkit.Install("lightrag.sh", lightragVersion)
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(place, "bin", "python")
	shipped := lightragKind(t)
	r := newRig(t, python, process.Config{}, func(k *kind.Kind) {
		k.Preload = shipped.Preload
		k.Preload.Mode = kind.PreloadOn
		k.Processes[0].Set["WORKER_NAME"] = k.Processes[0].Set["WORKSPACE"]
		maps.Copy(k.Processes[0].Set, names(t, python))
		k.Processes[0].Set["OPENBLAS_NUM_THREADS"] = "1"
		k.Processes[0].Set["PYTHONHASHSEED"] = "0" // what a module leaves of a loop over a set depends on it
		k.Processes[0].Set["TIKTOKEN_CACHE_DIR"] = filepath.Join(place, "tiktoken")
		k.Isolation.Read = append(k.Isolation.Read, place)
	})
	program := filepath.Join(r.place, "settings.py")
	text, err := os.ReadFile(filepath.Join("testdata", "lightrag", "settings.py"))
	if err == nil {
		err = os.WriteFile(program, append([]byte("#!"+python+"\n"), text...), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.kind.Processes[0].Program = program

	spec := r.spec("alpha")
	reports := map[bool]map[string]map[string]any{}
	for _, fork := range []bool{false, true} {
		spec.Launch = supervisor.LaunchID(random(4))
		w := r.start(spec)
		if w.forked() != fork {
			t.Fatalf("the worker is %s", w.isolation)
		}
		reports[fork] = r.settings(w)
		r.stop(w)
		r.await("the preloader", "a preloader takes orders", "cannot preload")
	}
	for _, part := range []string{"arguments", "defaults", "modules", "environment"} {
		if len(reports[false][part]) < 10 {
			t.Errorf("%d %s were looked at", len(reports[false][part]), part)
		}
		if diff := cmp.Diff(reports[false][part], reports[true][part]); diff != "" {
			t.Errorf("%s, - executed + forked\n%s", part, diff)
		}
	}
	t.Logf("%d variables; %d arguments, %d classes, %d values of modules", len(reports[true]["environment"]), len(reports[true]["arguments"]),
		len(reports[true]["defaults"]), len(reports[true]["modules"]))
}

func lightragKind(t *testing.T) *kind.Kind {
	t.Helper()
	path := filepath.Join(testkit.Root(), "configs", "kinds", "lightrag.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kind.Decode(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// names gives the variables that LightRAG's code names, each with a value.
func names(t *testing.T, python string) (found map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	script, err := filepath.Abs(filepath.Join("testdata", "lightrag", "names.py"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, python, script)
	command.Dir = testkit.ShortDir(t)
	output, err := command.Output()
	if err == nil {
		err = json.Unmarshal(output, &found)
	}
	if err != nil || len(found) < 200 {
		t.Fatalf("%d variables: %v", len(found), err)
	}
	return found
}

// settings is what a worker says, with what is the launch's own put the same.
func (r *rig) settings(w launched) (found map[string]map[string]any) {
	r.t.Helper()
	body, err := r.get(w, "/report")
	if err != nil {
		r.t.Fatal(err)
	}
	run := filepath.Join(r.dir, "run", string(w.Spec().Launch))
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(body), run, "{run}")), &found); err != nil {
		r.t.Fatal(err)
	}
	for _, own := range []string{"WORKER_KEY", "WORKER_INSTANCE", "WORKER_SOCKET", "WORKSPACE_ROUTER_LAUNCH"} {
		if _, is := found["environment"][own]; !is {
			r.t.Errorf("%s is not in the environment", own)
		}
		delete(found["environment"], own)
	}
	return found
}
