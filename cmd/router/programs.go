package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// findKeeper makes sure that the keeper's program is beside the router's: without it nothing can be started, and a
// router that found that out later would serve errors for ever.
func findKeeper() error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the router's own program: %w", err)
	}
	path := filepath.Join(filepath.Dir(executable), "keeper")
	info, err := os.Stat(path)
	if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("cannot find the keeper, %q: it belongs beside the router's program; \"make build\" makes both", path)
	}
	return nil
}
