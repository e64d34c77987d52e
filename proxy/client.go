package proxy

import (
	"net/http"
	"net/netip"
	"strings"
)

// readClient finds out who the client is where a proxy that is trusted stands in front, and whether it speaks TLS. What
// anybody else says about that counts for nothing.
func (c *chain) readClient(x *exchange) error {
	trusted := x.settings.TrustedProxies
	x.https = overTLS(x.r, trusted)
	if peer, ours := trustedPeer(x.r, trusted); ours {
		x.record.Client = forwardedFor(x.r.Header["X-Forwarded-For"], peer, trusted)
	}
	return nil
}

// overTLS reports whether the client speaks TLS, to the router or to a proxy that is trusted.
func overTLS(r *http.Request, trusted []netip.Prefix) bool {
	if _, ours := trustedPeer(r, trusted); ours {
		if protocols := r.Header["X-Forwarded-Proto"]; len(protocols) > 0 {
			return strings.EqualFold(lastOf(protocols[len(protocols)-1]), "https")
		}
	}
	return r.TLS != nil
}

// trustedPeer gives who the connection is from, where that is a proxy whose word counts.
func trustedPeer(r *http.Request, trusted []netip.Prefix) (peer netip.Addr, ours bool) {
	if len(trusted) == 0 {
		return netip.Addr{}, false
	}
	peer, err := netip.ParseAddr(clientAddress(r))
	peer = peer.Unmap()
	return peer, err == nil && within(trusted, peer)
}

// forwardedFor walks back from the nearest proxy to the first address that is none of ours. What stands before that was
// said by somebody who is not trusted; where it is no address, who said so last is as far as is known.
func forwardedFor(lines []string, peer netip.Addr, trusted []netip.Prefix) string {
	client := peer
	for i := len(lines) - 1; i >= 0; i-- {
		hops := strings.Split(lines[i], ",")
		for j := len(hops) - 1; j >= 0; j-- {
			address, ok := parseHop(hops[j])
			if !ok {
				return client.String()
			}
			if client = address; !within(trusted, client) {
				return client.String()
			}
		}
	}
	return client.String()
}

// parseHop takes an address, with a port where there is one.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address.Unmap().WithZone(""), err == nil
}

// lastOf is the last of values with commas between them.
func lastOf(list string) string {
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}
