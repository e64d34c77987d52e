package measure

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestQuantileAndMean(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := 100; i > 0; i-- {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	for share, want := range map[float64]time.Duration{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := Quantile(times, share); got != want*time.Millisecond {
			t.Errorf("%v: got %v, want %v ms", share, got, want)
		}
	}
	if got := Mean(times); got != 50500*time.Microsecond {
		t.Errorf("the mean is %v", got)
	}
	if Quantile(nil, 0.5) != 0 || Mean(nil) != 0 {
		t.Error("of nothing there is a time")
	}
}

func TestOfThisProcess(t *testing.T) {
	t.Parallel()
	if pss, err := Memory(os.Getpid(), "Pss:"); err != nil || pss < 1 || pss > 4096 {
		t.Errorf("its memory is %v MiB: %v", pss, err)
	}
	if _, err := Memory(os.Getpid(), "Nothing:"); err == nil {
		t.Error("there is a line that the kernel does not write")
	}
	if _, err := ProcessorTime(os.Getpid()); err != nil {
		t.Error(err)
	}
	if path, err := Environment(os.Getpid(), "PATH"); err != nil || path != os.Getenv("PATH") {
		t.Errorf("its PATH is %q: %v", path, err)
	}
}

func TestDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, size := range map[string]int{"a": 1000, "b/c": 24} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Disk(dir); err != nil || got != 1024 {
		t.Errorf("got %d: %v", got, err)
	}
	if _, err := Disk(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there has a size")
	}
}
