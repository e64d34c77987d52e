package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"workspace-router/supervisor"
)

// program finds the program of the start's kind. The error names where the operator says it.
func (s *start) program(environ []string) (string, error) {
	k := s.spec.Kind
	path, err := lookUp(k.Processes[0].Program, s.driver.config.ExeDir, environ)
	if err != nil {
		return "", fmt.Errorf("%w; the program of the kind %q is what kind.%s.program says, or ROUTER_KIND_%s_PROGRAM",
			err, k.Name, k.Name, strings.ToUpper(strings.ReplaceAll(k.Name, "-", "_")))
	}
	return path, nil
}

// lookUp finds a kind's program: a path as it is, a bare name beside the router's own program and then in the PATH of
// the router's environment. Relative entries of PATH are passed over.
func lookUp(program, exeDir string, environ []string) (string, error) {
	if strings.ContainsRune(program, '/') {
		if !filepath.IsAbs(program) {
			return "", &causeError{supervisor.CauseProgramMissing, fmt.Errorf("cannot use the program %q: want an absolute path or a bare name", program)}
		}
		return program, executable(program)
	}
	var denied error
	for _, dir := range append([]string{exeDir}, filepath.SplitList(pathOf(environ))...) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, program)
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if denied == nil && !errors.Is(err, fs.ErrNotExist) {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", &causeError{supervisor.CauseProgramMissing, fmt.Errorf(
		"cannot find the program %q: it is neither beside the router, in %q, nor in PATH, %q", program, exeDir, pathOf(environ))}
}

func pathOf(environ []string) string {
	for _, variable := range environ {
		if path, found := strings.CutPrefix(variable, "PATH="); found {
			return path
		}
	}
	return defaultPath
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &causeError{supervisor.CausePermissionDenied, fmt.Errorf("cannot use the program: %w", err)}
	case err != nil:
		return &causeError{supervisor.CauseProgramMissing, fmt.Errorf("cannot use the program: %w", err)}
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return &causeError{supervisor.CausePermissionDenied, fmt.Errorf("cannot use the program %q: it is not an executable file", path)}
	}
	return nil
}
