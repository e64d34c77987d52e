package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readsClock says where the supervisor may ask what time it is, and what for. Whatever else asked might decide something
// by a clock that an operator or the network can set; Pool.now is there for that.
var readsClock = map[string]string{
	"acquire.go acquireCold": "since when a request waits; measured by time.Since",
	"operate.go Start":       "since when an operator waits; measured by time.Since",
	"transition.go start":    "when a start was asked for; shown to people, and measured by time.Since",
	"run.go adopt":           "when a start was asked for; shown to people, and measured by time.Since",
	"pool.go New":            "the beginning of the pool's own clock",
	"ring.go add":            "the time of an event, for people",
	"ring.go lost":           "the time of an event, for people",
	"archive.go older":       "the time of an event, for people",
}

// readsTimes says where times of day may be compared or shown.
var readsTimes = map[string]string{
	"letgo.go byUse":      "workers of before, in the order of times that one router wrote",
	"letgo.go timeAt":     "the pool's clock for others: without its monotonic part, as they could not read it",
	"explain.go sentence": "an event's time, for people",
}

// ofTheWall are the methods of time.Time that make, compare or show a time of day. Two that were just read are compared by
// the monotonic clock, one that was stored is not; nothing in the code says which it is, so that all are asked about.
var ofTheWall = []string{
	"After", "Before", "Clock", "Date", "Equal", "Format", "Local", "Sub", "Truncate", "UTC", "Unix", "UnixMicro",
	"UnixMilli", "UnixNano",
}

// TestSupervisor_DecidesNothingByTheWallClock looks at names, not at types: a method of another type that is called as one
// of time.Time is asked about as well. time.Since and timers are free: they go by the monotonic clock.
func TestSupervisor_DecidesNothingByTheWallClock(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../supervisor/*.go")
	if err != nil || len(paths) < 20 {
		t.Fatalf("cannot find the supervisor: %d files, %v", len(paths), err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			place := filepath.Base(path)
			if function, is := declaration.(*ast.FuncDecl); is {
				place += " " + function.Name.Name
			}
			for at, call := range clockCalls(declaration) {
				allowed := readsTimes
				if call == "time.Now" {
					allowed = readsClock
				}
				seen[place] = true
				if allowed[place] == "" {
					t.Errorf("%s: %s in %q: by which clock, and what for?", files.Position(at), call, place)
				}
			}
		}
	}
	for _, list := range []map[string]string{readsClock, readsTimes} {
		for place := range list {
			if !seen[place] {
				t.Errorf("%q is allowed to, and does not", place)
			}
		}
	}
}

// clockCalls gives the calls that read the clock, or a time of day.
func clockCalls(in ast.Node) map[token.Pos]string {
	calls := map[token.Pos]string{}
	ast.Inspect(in, func(node ast.Node) bool {
		call, is := node.(*ast.CallExpr)
		if !is {
			return true
		}
		selector, is := call.Fun.(*ast.SelectorExpr)
		if !is {
			return true
		}
		name := selector.Sel.Name
		of, plain := selector.X.(*ast.Ident)
		ofPackage := plain && of.Name == "time"
		switch {
		case ofPackage && slices.Contains([]string{"Now", "Until", "Date", "Parse", "Unix", "UnixMilli"}, name):
			calls[call.Pos()] = "time." + name
		case ofPackage || plain && of.Name == "cmp":
		case slices.Contains(ofTheWall, name), name == "Round" && isZero(call.Args), name == "Compare":
			calls[call.Pos()] = "." + name
		}
		return true
	})
	return calls
}

// isZero recognizes Round(0), which takes the monotonic part off.
func isZero(arguments []ast.Expr) bool {
	if len(arguments) != 1 {
		return false
	}
	literal, is := arguments[0].(*ast.BasicLit)
	return is && literal.Value == "0"
}
