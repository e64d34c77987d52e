package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// edits runs a watcher in made-up time over a file that is edited at the given moments, and gives when it was read.
func edits(t *testing.T, until time.Duration, at ...time.Duration) (reads []time.Duration) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		began := time.Now()
		version := func() string {
			n := 0
			for _, moment := range at {
				if moment <= time.Since(began) {
					n++
				}
			}
			return strconv.Itoa(n)
		}
		w := &watcher{look: func(string) string { return version() }}
		w.read([]string{"router.yaml"})
		for again := watchEvery; time.Since(began)+again <= until; {
			<-time.After(again)
			var due bool
			if due, again = w.check(time.Now()); due {
				reads = append(reads, time.Since(began))
				w.read(w.files())
			}
		}
	})
	return reads
}

func TestWatcher_ReadsWhatHasSettled(t *testing.T) {
	t.Parallel()
	const second = time.Second
	ten := make([]time.Duration, 10)
	for i := range ten {
		ten[i] = 1500*time.Millisecond + time.Duration(i)*100*time.Millisecond
	}
	restless := make([]time.Duration, 200)
	for i := range restless {
		restless[i] = second + time.Duration(i)*100*time.Millisecond
	}
	if reads := edits(t, 20*second); len(reads) != 0 {
		t.Errorf("nothing changed, and it was read at %v", reads)
	}
	if reads := edits(t, 20*second, second); len(reads) != 1 || reads[0] > 3*second {
		t.Errorf("one edit was read at %v, want once within 3 s", reads)
	}
	if reads := edits(t, 20*second, ten...); len(reads) != 1 || reads[0] < ten[9] {
		t.Errorf("ten edits within a second were read at %v, want once after the last", reads)
	}
	if reads := edits(t, 20*second, second, 10*second); len(reads) != 2 {
		t.Errorf("two edits far apart were read at %v", reads)
	}
	if reads := edits(t, 15*second, restless...); len(reads) != 1 || reads[0] < settleBound || reads[0] > settleBound+4*second {
		t.Errorf("a file that never rests was read at %v, want once after %v", reads, settleBound)
	}
}

func TestWatcher_IgnoresAChangeThatWasTakenBack(t *testing.T) {
	t.Parallel()
	content := "one"
	w := &watcher{look: func(string) string { return content }}
	w.read([]string{"router.yaml"})
	now := time.Now()
	content = "two"
	if due, again := w.check(now); due || again != settleFor {
		t.Errorf("at first: %v, %v", due, again)
	}
	content = "one"
	if due, again := w.check(now.Add(settleFor)); due || again != watchEvery {
		t.Errorf("taken back: %v, %v", due, again)
	}
}

// TestSight_SeesEveryWayInWhichFilesAreReplaced: Kubernetes turns a link to a directory, editors rename, others write.
func TestSight_SeesEveryWayInWhichFilesAreReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "router.yaml")
	seen := map[string]string{sight(path): "not there"}
	look := func(how string) {
		t.Helper()
		now := sight(path)
		if before, known := seen[now]; known {
			t.Errorf("%s looks like %s", how, before)
		}
		seen[now] = how
		if sight(path) != now {
			t.Errorf("%s looks different each time", how)
		}
	}
	must(os.WriteFile(path, []byte("a: 1\n"), 0o600))
	look("made")
	must(os.WriteFile(path, []byte("a: 12\n"), 0o600))
	look("written")
	must(os.WriteFile(path+".new", []byte("a: 13\n"), 0o600))
	must(os.Rename(path+".new", path))
	look("renamed over")
	for _, version := range []string{"v1", "v2"} {
		must(os.Mkdir(filepath.Join(dir, version), 0o700))
		must(os.WriteFile(filepath.Join(dir, version, "router.yaml"), []byte("b: 1\n"), 0o600))
	}
	must(os.Symlink("v1", filepath.Join(dir, "..data")))
	must(os.Remove(path))
	must(os.Symlink("..data/router.yaml", path))
	look("linked")
	must(os.Symlink("v2", filepath.Join(dir, "..next")))
	must(os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")))
	look("another directory behind the link")
}
