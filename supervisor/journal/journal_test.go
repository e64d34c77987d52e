package journal

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"workspace-router/internal/workspace"
	"workspace-router/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the tests take place. Files have the machine's time, so it is near.
var noon = time.Now().UTC().Round(time.Second)

// list is a Source that ends after its events.
type list struct{ events []supervisor.Event }

func (l *list) Next(context.Context) (supervisor.Event, error) {
	if len(l.events) == 0 {
		return supervisor.Event{}, io.EOF
	}
	e := l.events[0]
	l.events = l.events[1:]
	return e, nil
}

// journal makes one whose clock stands still.
func journal(t *testing.T, cfg Config) *Journal {
	t.Helper()
	j, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	j.now = func() time.Time { return noon }
	return j
}

// run writes the events as a router's life does.
func run(t *testing.T, j *Journal, events ...supervisor.Event) {
	t.Helper()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Run(ended, &list{events}); err != nil {
		t.Fatal(err)
	}
}

func eventOf(id uint64, name string) supervisor.Event {
	return supervisor.Event{
		ID: id, Time: noon, Type: supervisor.EventStopping, Workspace: name, Tenant: "acme", Reason: "room", For: "other",
		PhasesMS: map[string]float64{"ready": 1.5}, Detail: "two\nlines",
		Ref: workspace.Ref{Tenant: "acme", Name: workspace.Name(name), Generation: workspace.Generation("generation-of-" + name)},
	}
}

func all(limit int) supervisor.EventQuery {
	return supervisor.EventQuery{Before: math.MaxUint64, Limit: limit}
}

func read(t *testing.T, j *Journal, q supervisor.EventQuery) []supervisor.Event {
	t.Helper()
	events, err := j.Read(q)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func ids(events []supervisor.Event) (list []uint64) {
	for _, e := range events {
		list = append(list, e.ID)
	}
	return list
}

func TestS12_EventsOutliveTheRouter(t *testing.T) {
	t.Parallel()
	cfg := Defaults(filepath.Join(t.TempDir(), "events"))
	first := []supervisor.Event{eventOf(1, "a"), {ID: 2, Time: noon, Type: supervisor.EventConfigReloaded, Reason: "file"}}
	run(t, journal(t, cfg), first...)
	second := []supervisor.Event{eventOf(103, "b"), eventOf(104, "a")}
	run(t, journal(t, cfg), second...)
	j := journal(t, cfg)
	if diff := cmp.Diff(append(first, second...), read(t, j, all(100))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		query supervisor.EventQuery
		want  []uint64
	}{
		"the newest":     {all(3), []uint64{2, 103, 104}},
		"between":        {supervisor.EventQuery{After: 1, Before: 104, Limit: 9}, []uint64{2, 103}},
		"of a workspace": {supervisor.EventQuery{Before: math.MaxUint64, Limit: 9, Generation: "generation-of-a"}, []uint64{1, 104}},
		"of none":        {supervisor.EventQuery{Before: math.MaxUint64, Limit: 9, Generation: "generation-of-"}, nil},
	} {
		if diff := cmp.Diff(c.want, ids(read(t, j, c.query))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFiles_AreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	cfg := Defaults(filepath.Join(t.TempDir(), "events"))
	run(t, journal(t, cfg), eventOf(1, "a"))
	for path, want := range map[string]os.FileMode{cfg.Dir: 0o700, filepath.Join(cfg.Dir, "00000000000000000001.jsonl"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: the mode is %v, want %v", path, got, want)
		}
	}
}

func TestFiles_AreBoundedInSizeAndTheOldestGoFirst(t *testing.T) {
	t.Parallel()
	cfg := Defaults(filepath.Join(t.TempDir(), "events"))
	cfg.FileSize, cfg.TotalSize = 1000, 5000
	j := journal(t, cfg)
	var events []supervisor.Event
	for id := range uint64(200) {
		events = append(events, eventOf(id+1, fmt.Sprint("w", id)))
	}
	run(t, j, events...)
	files, err := j.files()
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	if most := cfg.TotalSize + 2*cfg.FileSize; total > most || len(files) < 3 {
		t.Errorf("%d files of %d bytes are kept, want several of at most %d bytes", len(files), total, most)
	}
	kept := ids(read(t, j, all(1000)))
	if len(kept) == 0 || kept[len(kept)-1] != 200 || kept[len(kept)-1]-kept[0] != uint64(len(kept)-1) {
		t.Errorf("kept are %v, want the newest without a gap", kept)
	}
}

func TestFiles_AreKeptForAWeekAndNoLonger(t *testing.T) {
	t.Parallel()
	cfg := Defaults(filepath.Join(t.TempDir(), "events"))
	j := journal(t, cfg)
	for day := range 20 {
		now := noon.AddDate(0, 0, day)
		j.now = func() time.Time { return now }
		e := eventOf(uint64(day+1), "a")
		e.Time = now
		j.keep(e)
		if err := os.Chtimes(j.file.Name(), now, now); err != nil {
			t.Fatal(err)
		}
	}
	defer j.close()
	if got := ids(read(t, j, all(100))); !cmp.Equal(got, []uint64{13, 14, 15, 16, 17, 18, 19, 20}) {
		t.Errorf("kept are the events of days %v, want those of 7 × 24 hours", got)
	}
	if files, _ := j.files(); len(files) > 9 {
		t.Errorf("%d files of a day each are kept, want 9 at most", len(files))
	}
}

func TestRead_PassesOverWhatACrashHasTorn(t *testing.T) {
	t.Parallel()
	cfg := Defaults(filepath.Join(t.TempDir(), "events"))
	run(t, journal(t, cfg), eventOf(1, "a"), eventOf(2, "a"))
	path := filepath.Join(cfg.Dir, "00000000000000000001.jsonl")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content[:len(content)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "notes.txt"), []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := journal(t, cfg)
	run(t, j, eventOf(3, "a"))
	if got := ids(read(t, j, all(100))); !cmp.Equal(got, []uint64{1, 3}) {
		t.Errorf("read are %v, want 1 and 3", got)
	}
	again := journal(t, cfg) // a pool that knew nothing of those before begins at 1 again
	run(t, again, eventOf(1, "b"))
	if got := ids(read(t, again, all(100))); !cmp.Equal(got, []uint64{1, 1, 3}) {
		t.Errorf("read are %v: an event was lost to the torn line before it", got)
	}
}

func TestKeep_MarksWhatCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	cfg := Defaults(filepath.Join(t.TempDir(), "events"))
	j := journal(t, cfg)
	defer j.close()
	j.keep(eventOf(1, "a"))
	j.close()
	aside := cfg.Dir + ".aside"
	if err := os.Rename(cfg.Dir, aside); err != nil {
		t.Fatal(err)
	}
	for id := range uint64(5) {
		j.keep(eventOf(id+2, "a"))
	}
	if err := os.Rename(aside, cfg.Dir); err != nil {
		t.Fatal(err)
	}
	j.keep(eventOf(7, "a"))
	events := read(t, j, all(100))
	if got := ids(events); !cmp.Equal(got, []uint64{1, 6, 7}) {
		t.Fatalf("read are %v, want 1, the marker 6, and 7", got)
	}
	if marker := events[1]; marker.Type != supervisor.EventMissed || marker.Count != 5 {
		t.Errorf("the marker is %+v, want one for 5 events", marker)
	}
}

func TestNew_NamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := New(Config{FileSize: 2, TotalSize: 1}, nil)
	for _, want := range []string{"directory", "time to keep", "size of all files"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word on %s", err, want)
		}
	}
}
