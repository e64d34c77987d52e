package configs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"workspace-router/internal/kind"
)

// TakenOver is the single server whose place the router takes: what it served becomes the default workspace, where it is.
type TakenOver struct {
	// WorkerName is what the server was called, and what its data are kept under; it may have been empty.
	WorkerName string
	// Places are where its data lie, by the kind's names for them: absolute paths, which may not be there yet.
	Places map[string]string
}

// takeOver finds the server's directories: those that its variables name, else those that such a server makes by
// itself in dir, the working directory where it is empty.
func (c *Config) takeOver(dir string) (problems Problems) {
	profile := c.Profiles[c.DefaultKind]
	places, given, all := map[string]string{}, false, len(profile.Places) > 0
	for _, name := range slices.Sorted(maps.Keys(profile.Places)) {
		path, place, named := c.findPlace(profile.Places[name], dir)
		given = given || named
		if path == "" {
			all = false
			continue
		}
		absolute, err := filepath.Abs(path)
		if err == nil {
			err = c.apart(absolute)
		}
		if err != nil {
			problems = append(problems, Problem{Place: place, Text: err.Error()})
			continue
		}
		places[name] = absolute
	}
	if !given && !all {
		return nil // one directory with a common name is no server's
	}
	c.TakenOver = &TakenOver{WorkerName: plainName(c.Environment.variables["WORKSPACE"]), Places: places}
	return problems
}

// findPlace gives a place's path, empty where the server has none, and whether a variable names it.
func (c *Config) findPlace(p kind.Place, dir string) (path, place string, named bool) {
	if text := c.Environment.variables[p.Given]; p.Given != "" && text != "" {
		if !filepath.IsAbs(text) {
			text = filepath.Join(dir, text)
		}
		return text, "ENV " + p.Given, true
	}
	if p.Usual == "" {
		return "", "", false
	}
	path = filepath.Join(dir, p.Usual)
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return "", "", false
	}
	return path, path, false
}

// apart refuses a directory that holds the data directory, or lies in it: the one worker that may write to it would
// reach what is everybody's.
func (c *Config) apart(path string) error {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("cannot find the data directory %q: %w", c.Data, err)
	}
	path, data = resolved(path), resolved(data)
	for _, pair := range [][2]string{{path, data}, {data, path}} {
		if below, err := filepath.Rel(pair[0], pair[1]); err == nil && filepath.IsLocal(below) {
			return fmt.Errorf("got %q, want a directory apart from the data directory, %q", path, data)
		}
	}
	return nil
}

// resolved follows the links of as much of a path as is there.
func resolved(path string) string {
	if found, err := filepath.EvalSymlinks(path); err == nil {
		return found
	}
	above := filepath.Dir(path)
	if above == path {
		return path
	}
	return filepath.Join(resolved(above), filepath.Base(path))
}

// plainName is what LightRAG makes of its WORKSPACE before it keeps data under it.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}
