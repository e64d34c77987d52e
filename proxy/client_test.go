package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// What is said about the client counts where a proxy that is trusted says it, and as far as trusted proxies passed it on.
func TestClient_IsWhoATrustedProxySays(t *testing.T) {
	t.Parallel()
	trust := func(networks ...string) rigOption {
		return withSettings(func(s *Settings) {
			for _, network := range networks {
				s.TrustedProxies = append(s.TrustedProxies, netip.MustParsePrefix(network))
			}
		})
	}
	for name, test := range map[string]struct {
		networks         []string
		forwarded        []string
		proto            []string
		client, protocol string
	}{
		"nobody is trusted":             {nil, []string{"6.6.6.6"}, []string{"https"}, "127.0.0.1", "http"},
		"another is trusted":            {[]string{"10.0.0.0/8"}, []string{"6.6.6.6"}, []string{"https"}, "127.0.0.1", "http"},
		"one hop":                       {[]string{"127.0.0.0/8"}, []string{"6.6.6.6"}, []string{"https"}, "6.6.6.6", "https"},
		"what the client said before":   {[]string{"127.0.0.0/8"}, []string{"9.9.9.9, 6.6.6.6"}, []string{"http,https"}, "6.6.6.6", "https"},
		"two hops of ours":              {[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"6.6.6.6, 10.1.1.1"}, nil, "6.6.6.6", "http"},
		"two lines":                     {[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"9.9.9.9", "6.6.6.6, 10.1.1.1"}, nil, "6.6.6.6", "http"},
		"all of them ours":              {[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"10.2.2.2, 10.1.1.1"}, nil, "10.2.2.2", "http"},
		"with a port":                   {[]string{"127.0.0.0/8"}, []string{"6.6.6.6:99"}, nil, "6.6.6.6", "http"},
		"version 6":                     {[]string{"127.0.0.0/8"}, []string{"[2001:db8::1]:99"}, nil, "2001:db8::1", "http"},
		"version 4 within 6":            {[]string{"127.0.0.0/8"}, []string{"::ffff:6.6.6.6"}, nil, "6.6.6.6", "http"},
		"nonsense is the proxy's fault": {[]string{"127.0.0.0/8"}, []string{"6.6.6.6, unknown"}, []string{"gopher"}, "127.0.0.1", "http"},
		"nothing is said":               {[]string{"127.0.0.0/8"}, nil, nil, "127.0.0.1", "http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, reflect, trust(test.networks...))
			got := seen(t, r.do(http.MethodGet, "/w/alpha/query", http.Header{"X-Forwarded-For": test.forwarded, "X-Forwarded-Proto": test.proto, "Host": {"rag.example"}}, ""))
			if got.Get("X-Forwarded-For") != test.client || got.Get("X-Forwarded-Proto") != test.protocol || len(got.Values("X-Forwarded-For")) != 1 {
				t.Errorf("the worker was told %q, %q, want %q, %q", got.Values("X-Forwarded-For"), got.Get("X-Forwarded-Proto"), test.client, test.protocol)
			}
			if line := r.recorded(1)[0]; !strings.Contains(line, `"`+test.client+`"`) {
				t.Errorf("the log says %s", line)
			}
		})
	}
}

// Behind a proxy that ends TLS the session's cookie is for TLS.
func TestClient_ASessionBehindTLSIsSecure(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo, withSettings(func(s *Settings) { s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }))
	for proto, want := range map[string]string{"https": sessionCookieSecure + "=", "http": sessionCookie + "="} {
		got := r.do(http.MethodPost, "/.router/login", http.Header{
			"Host": {"alpha.localhost"}, "X-Api-Key": {"none"}, "Content-Type": {"application/x-www-form-urlencoded"},
			"Sec-Fetch-Site": {"same-origin"}, "X-Forwarded-Proto": {proto},
		}, "key="+adminKey)
		cookie := got.header.Get("Set-Cookie")
		if !strings.HasPrefix(cookie, want) || strings.Contains(cookie, "Secure") != (proto == "https") {
			t.Errorf("%s: got %d %q", proto, got.status, cookie)
		}
	}
}
