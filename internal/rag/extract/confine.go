package extract

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What a reader may use. A document that needs more is none that this program should read.
const (
	childMemory = 1 << 30 // bytes
	childCPU    = 120     // seconds
)

// confine lowers this process's own limits, for good.
func confine() error {
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"memory", unix.RLIMIT_DATA, childMemory},
		{"processor time", unix.RLIMIT_CPU, childCPU},
		{"file size", unix.RLIMIT_FSIZE, 0},
		{"core dump", unix.RLIMIT_CORE, 0},
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(l.resource, &old); err != nil {
			return fmt.Errorf("cannot read the limit of the %s: %w", l.name, err)
		}
		value := min(l.value, old.Max)
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("cannot limit the %s: %w", l.name, err)
		}
	}
	return nil
}
