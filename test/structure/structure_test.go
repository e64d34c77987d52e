// Package structure holds the tests of the tree itself: who may import whom, and that every package says what it is.
package structure

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "workspace-router/"

// mayImport is the third column of the table of folders in docs/ARCHITECTURE.md. A folder stands for the packages
// below it too, the longest match deciding; "all" is anything of the module.
var mayImport = map[string][]string{
	"cmd":                   {"all"},
	"cmd/keeper":            {"internal/keeper", "internal/version"},
	"cmd/worker":            {"internal/rag", "internal/version"},
	"proxy":                 {"internal/workspace", "internal/kind", "internal/problem", "internal/telemetry", "supervisor"},
	"proxy/dialect":         {"internal/kind"},
	"supervisor":            {"internal/workspace", "internal/kind"},
	"supervisor/process":    {"supervisor", "internal/workspace", "internal/kind", "internal/keeper"},
	"supervisor/journal":    {"supervisor", "internal/workspace"},
	"supervisor/drivertest": {"supervisor", "internal/workspace", "internal/kind"},
	"auth":                  {"internal/workspace"},
	"configs":               {"internal/workspace", "internal/kind"},
	"internal/workspace":    {},
	"internal/version":      {},
	"internal/kind":         {"internal/workspace"},
	"internal/problem":      {"internal/workspace"},
	"internal/catalog":      {"internal/workspace"},
	"internal/telemetry":    {"internal/workspace"},
	"internal/admin":        {"internal/workspace", "internal/kind", "internal/problem"},
	"internal/keeper":       {},
	"internal/rag":          {"internal/version"},
	"internal/testkit":      {},
	"bench":                 {"all"},
	"test":                  {"all"},
	"examples":              {},
}

// thin lists the packages that may use nothing beyond the standard library and x/sys: the keeper is started often.
var thin = []string{"cmd/keeper", "internal/keeper"}

// plain lists the packages of the domain, which may use the standard library alone, without HTTP, SQL or processes.
var plain = []string{"internal/workspace"}

type goPackage struct {
	ImportPath string
	Doc        string
	GoFiles    []string
	Imports    []string
	Standard   bool
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,GoFiles,Imports", "./...")
	command.Dir = "../.."
	output, err := command.Output()
	if err != nil {
		t.Fatalf("cannot list the packages: %v", err)
	}
	var list []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("cannot read the list of packages: %v", err)
		}
		list = append(list, p)
	}
}

// rule finds the longest folder of the table that holds the package.
func rule(folder string) (key string, found bool) {
	for prefix := folder; ; {
		if _, found := mayImport[prefix]; found {
			return prefix, true
		}
		slash := strings.LastIndexByte(prefix, '/')
		if slash < 0 {
			return "", false
		}
		prefix = prefix[:slash]
	}
}

func TestImports_FollowTheTable(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(p.ImportPath, module)
		key, found := rule(folder)
		if !found {
			t.Errorf("%s has no row in the table of folders", folder)
			continue
		}
		for _, imported := range p.Imports {
			target, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if target == key || strings.HasPrefix(target, key+"/") || slices.Contains(mayImport[key], "all") {
				continue
			}
			if targetKey, found := rule(target); !found || !slices.Contains(mayImport[key], targetKey) {
				t.Errorf("%s may not import %s; allowed: %v", folder, target, mayImport[key])
			}
		}
	}
}

func TestImports_ThinPackagesStayThin(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			foreign := strings.Contains(first, ".")
			if slices.Contains(thin, folder) && foreign && !strings.HasPrefix(imported, "golang.org/x/sys/") {
				t.Errorf("%s imports %s; only the standard library and x/sys are allowed", folder, imported)
			}
			if slices.Contains(plain, folder) && (foreign || imported == "net/http" || imported == "database/sql" || imported == "os/exec") {
				t.Errorf("%s imports %s; the domain is plain", folder, imported)
			}
		}
	}
}

func TestPackages_SayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestReadme_ShowsTheExampleThatRuns keeps the lines that people paste equal to the script that CI runs.
func TestReadme_ShowsTheExampleThatRuns(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../examples/first-answer.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, found := strings.Cut(string(script), "set -eu\n\n")
	if !found || !strings.Contains(string(readme), "```sh\n"+lines+"```\n") {
		t.Error("README.md does not show the lines of examples/first-answer.sh")
	}
}
