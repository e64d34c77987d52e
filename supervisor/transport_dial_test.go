package supervisor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
)

func TestNewTransport_SaysThatNothingWasSentWhenItCannotConnect(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	transport := NewTransport(Endpoint{Dial: func(context.Context) (net.Conn, error) { return nil, gone }, Scheme: "http", Host: "worker"})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://worker/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transport.RoundTrip(request)
	var told interface{ NothingSent() bool }
	if !errors.Is(err, gone) || !errors.As(err, &told) || !told.NothingSent() {
		t.Errorf("got %v, want an error that wraps Dial's and says that nothing was sent", err)
	}
}
