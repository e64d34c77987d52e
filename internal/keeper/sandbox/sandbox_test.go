package sandbox

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An older kernel has less, and what it lacks is named.
func TestOffer_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for version, means := range map[int][]string{
		1: {MeansFiles}, 2: {MeansFiles}, 3: {MeansFiles, MeansTruncate}, 4: {MeansFiles, MeansTruncate, MeansTCP},
		5: {MeansFiles, MeansTruncate, MeansTCP, MeansDevices}, 6: {MeansFiles, MeansTruncate, MeansTCP, MeansDevices, MeansScope},
		9: {MeansFiles, MeansTruncate, MeansTCP, MeansDevices, MeansScope},
	} {
		r := offer(version, nil)
		if strings.Join(r.Means, ",") != strings.Join(means, ",") || len(r.Means)+len(r.Missing) != len(versions) || r.Landlock != version {
			t.Errorf("version %d: %+v, want %v", version, r, means)
		}
	}
	r := offer(0, errors.New("there is none"))
	if len(r.Means) > 0 || len(r.Missing) != len(versions) || !strings.Contains(r.String(), "there is none") {
		t.Errorf("without Landlock: %v", r)
	}
}

// A kernel refuses a ruleset with bits or fields that it does not know.
func TestHandled_FitsTheVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]struct {
		fs, net, scoped uint64
		size            uintptr
	}{
		1: {0x1fff, 0, 0, 8}, 2: {0x3fff, 0, 0, 8}, 3: {0x7fff, 0, 0, 8}, 4: {0x7fff, 3, 0, 16}, 5: {0xffff, 3, 0, 16},
		6: {0xffff, 3, 3, 24}, 9: {0xffff, 3, 3, 24},
	} {
		attr, size := handled(version)
		if attr.fs != want.fs || attr.net != want.net || attr.scoped != want.scoped || size != want.size {
			t.Errorf("version %d: %+v, %d bytes, want %+v", version, attr, size, want)
		}
	}
}

// Every version up to the kernel's own is taken by the kernel, rules included.
func TestAllow_EachVersion(t *testing.T) {
	t.Parallel()
	newest, err := Version()
	if err != nil {
		t.Log(err)
	}
	policy := Policy{
		Read: []string{"/usr", "/etc/hosts", "/missing"}, Write: []string{t.TempDir()}, Devices: []string{"/dev/null"}, Bind: []int{1024},
	}
	for version := 1; version <= newest; version++ {
		attr, size := handled(version)
		set, err := create(attr, size)
		if err != nil {
			t.Errorf("version %d: %v", version, err)
			continue
		}
		if err := allow(set, policy, attr); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
		err = allow(set, Policy{Write: []string{"/missing"}}, attr)
		if !errors.Is(err, unix.ENOENT) {
			t.Errorf("a directory that is needed and missing: %v", err)
		}
		unix.Close(set)
	}
}
