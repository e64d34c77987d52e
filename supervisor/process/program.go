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
	return "", &causeError{supervisor.CauseProgramMissing, fmt.Errorf("cannot find the program %q beside the router (%s) or in PATH", program, exeDir)}
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
