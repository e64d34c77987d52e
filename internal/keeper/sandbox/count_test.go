package sandbox

import "testing"

func TestAtLeast(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]bool{
		"6.14.0": true, "6.14": true, "6.15.2-arch1": true, "7.0": true, "6.13.9": false, "5.20.1": false, "4.4.0": false, "": false, "6": false, "x.y": false,
	} {
		if got := atLeast(release, 6, 14); got != want {
			t.Errorf("%q: got %v", release, got)
		}
	}
}

// Without a namespace of its own nothing is written: the number is the machine's.
func TestLimitProcesses_NeedsANamespace(t *testing.T) {
	t.Parallel()
	if err := (Namespaces{Processes: 1000}).limitProcesses(); err == nil {
		t.Error("it was done")
	}
}
