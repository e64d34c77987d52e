package proxy

import (
	"fmt"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Bounds of failed log-ins of one client. Keys cannot be guessed; a key that a person made up might be.
const (
	logInBurst = 10
	logInEvery = 6 * time.Second
	logInKnown = 4096 // clients that are remembered
)

// throttle slows down clients whose log-ins fail. Those that succeed cost nothing, so that many people behind one
// address are not in each other's way.
type throttle struct {
	clients *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newThrottle() (*throttle, error) {
	clients, err := lru.New[netip.Prefix, *rate.Limiter](logInKnown)
	if err != nil {
		return nil, fmt.Errorf("cannot remember clients: %w", err)
	}
	return &throttle{clients: clients}, nil
}

// wait is how long the client has to wait before its next log-in is looked at.
func (t *throttle) wait(client string) time.Duration {
	limiter, found := t.clients.Get(network(client))
	if !found {
		return 0
	}
	missing := 1 - limiter.Tokens()
	return max(0, time.Duration(missing*float64(logInEvery)))
}

// failed counts a log-in that failed. Those that were looked at together are counted one by one, into debt: what was
// gained by asking at once is lost by waiting.
func (t *throttle) failed(client string) {
	fresh := rate.NewLimiter(rate.Every(logInEvery), logInBurst)
	limiter, found, _ := t.clients.PeekOrAdd(network(client), fresh)
	if !found {
		limiter = fresh
	}
	limiter.ReserveN(time.Now(), 1)
}

// network is what counts as one client: an address, or of IPv6 the 64 bits that one site has.
func network(client string) netip.Prefix {
	address, err := netip.ParseAddr(client)
	if err != nil {
		return netip.Prefix{} // such as the peer of a Unix socket: all of those are one
	}
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
