package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestTakeLock_WaitsForOneThatIsJustGoing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := takeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(5*lockPoll, func() { first.Close() })
	second, err := takeLock(path)
	if err != nil {
		t.Fatalf("a lock that was given back meanwhile: %v", err)
	}
	defer second.Close()
	if _, err := takeLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}
