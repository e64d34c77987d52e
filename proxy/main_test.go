package proxy

import (
	"testing"

	"go.uber.org/goleak"
)

// No request may leave a goroutine behind, whichever way it ended.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// A server waits for half a second before it closes a connection whose request it has not read to its end.
		goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}
