package process

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// interpreterVariables are read by the interpreter when it begins, or by libraries that are not written in Python, which
// nobody sees do it. What they said then holds for all that is forked.
var interpreterVariables = []string{
	"PATH", "PYTHON*", "LD_*", "LANG", "LANGUAGE", "LC_*", "TZ", "MALLOC_*", "GLIBC_TUNABLES", "ASAN_OPTIONS",
	"OPENBLAS_*", "GOTO_NUM_THREADS", "OMP_*", "GOMP_*", "KMP_*", "MKL_*", "BLIS_*", "NUMEXPR_*", "VECLIB_*",
	"OPENSSL_*", "SSL_CERT_FILE", "SSL_CERT_DIR", "RUST_*", "RAYON_*", "TOKENIZERS_*", "GRPC_*",
}

// preloadClass is what the launches of one preloader have in common.
type preloadClass struct {
	key         string // of all that follows
	kind        string
	program     string // the script
	interpreter string
	options     []string
	profile     kind.Preload
	environment []string // of the preloader, but for HOME and TMPDIR, which are its own
	policy      *sandbox.Policy
}

// preloadClassOf gives the class of a launch.
func (d *Driver) preloadClassOf(k *kind.Kind, v values, environment []string, r reach) (c preloadClass, err error) {
	c = preloadClass{kind: k.Name, program: v.program, profile: k.Preload}
	if c.interpreter, c.options = interpreterOf(v.program); c.interpreter == "" {
		return c, fmt.Errorf("cannot preload %q: its first line names no interpreter by an absolute path", v.program)
	}
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if matches(interpreterVariables, name) || matches(k.Preload.Environment, name) {
			c.environment = append(c.environment, variable)
		}
	}
	if k.Isolation.Landlock != kind.IsolationOff {
		c.policy = &sandbox.Policy{
			Read: append(slices.Clone(d.system), v.program), Devices: devices,
			Write:   []string{filepath.Dir(v.dir), d.data.Run()},
			Connect: k.Isolation.Network == kind.NetworkHost, AnyPort: k.Isolation.Network != kind.NetworkNone,
		}
		for _, path := range r.read {
			c.policy.Read = append(c.policy.Read, without(path, d.realData)...)
		}
	}
	text, err := json.Marshal(struct {
		Program, Interpreter string
		Options, Environment []string
		Profile              kind.Preload
		Policy               *sandbox.Policy
		Isolation            kind.Isolation
	}{c.program, c.interpreter, c.options, c.environment, c.profile, c.policy, k.Isolation})
	if err != nil {
		return c, fmt.Errorf("cannot tell what a launch has in common with others: %w", err)
	}
	sum := sha256.Sum256(text)
	c.key = hex.EncodeToString(sum[:16])
	return c, nil
}

// unfit says why a launch with that environment cannot be forked from a preloader whose imports asked for these variables;
// empty is that it can.
func (c preloadClass) unfit(reads, environment []string) string {
	if slices.Contains(reads, "*") && !slices.Contains(c.profile.Ignore, "*") {
		return `a module lists all variables when it is imported, and preload.ignore does not name "*"`
	}
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		common := matches(interpreterVariables, name) || matches(c.profile.Environment, name)
		if !common && slices.Contains(reads, name) && !slices.Contains(c.profile.Ignore, name) {
			return fmt.Sprintf("a module asks for %s when it is imported, and neither preload.environment nor preload.ignore names it", name)
		}
	}
	return ""
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return kind.EnvironmentMatch(pattern, name) })
}

// covers reports whether all that the inner policy opens is open in the outer one, too.
func covers(outer, inner *sandbox.Policy) bool {
	if outer == nil || inner == nil {
		return outer == nil
	}
	within := func(paths []string, path string) bool {
		return slices.ContainsFunc(paths, func(above string) bool {
			below, err := filepath.Rel(above, path)
			return err == nil && filepath.IsLocal(below)
		})
	}
	for _, path := range inner.Read {
		if !within(outer.Read, path) {
			return false
		}
	}
	for _, path := range inner.Write {
		if !within(outer.Write, path) {
			return false
		}
	}
	return (outer.Connect || !inner.Connect) && (outer.AnyPort || len(inner.Bind) == 0)
}

// fingerprint tells one state of an installation from the next: of the interpreter, of the virtual environment, and of
// what each installed package says that it consists of. It costs about a hundred looks at files.
func (c preloadClass) fingerprint() (string, error) {
	hash := sha256.New()
	note := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(hash, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		return err
	}
	real, err := filepath.EvalSymlinks(c.interpreter)
	if err == nil {
		err = errors.Join(note(real), note(c.program))
	}
	if err != nil {
		return "", fmt.Errorf("cannot look at the installation: %w", err)
	}
	root := above(c.interpreter)
	_ = note(filepath.Join(root, "pyvenv.cfg")) // an interpreter outside of a virtual environment has none
	for _, pattern := range []string{"site-packages", "site-packages/*.pth", "site-packages/*.dist-info/RECORD"} {
		found, _ := filepath.Glob(filepath.Join(root, "lib*", "python3*", pattern)) // the patterns are ours, and good
		for _, path := range found {
			_ = note(path) // one that goes meanwhile changes what was noted of its directory
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
