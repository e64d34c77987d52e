package router

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workspace-router/internal/testkit"
)

const aYear = 365 * 24 * time.Hour

// Clients speak HTTP/2 and HTTP/1.1 over TLS, and are told so; a certificate that is renewed in its file is shown to who
// connects after, and one that does not fit changes nothing.
func TestTLS_WholeChain(t *testing.T) {
	t.Parallel()
	dir := testkit.ShortDir(t)
	path := filepath.Join(dir, "pair.pem")
	put := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := testkit.Certificate(t, aYear, "localhost", "127.0.0.1")
	put(first)
	r := start(t, "ROUTER_TLS_CERTIFICATES="+path)
	if !strings.HasPrefix(r.URL, "https://") || !strings.HasPrefix(r.Operator, "http://") {
		t.Fatalf("listening at %q, operators at %q", r.URL, r.Operator)
	}
	insert(t, r, "alpha", "otters.txt", otters)
	for _, protocol := range []string{"HTTP/2.0", "HTTP/1.1"} {
		client := testkit.Trusting(t, first)
		if protocol == "HTTP/1.1" {
			client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/w/alpha/documents", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-Key", r.Key)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.Proto != protocol || response.StatusCode != http.StatusOK || !strings.Contains(string(content), "otters.txt") {
			t.Errorf("got %s %d %s, want %s", response.Proto, response.StatusCode, content, protocol)
		}
	}
	put("half a certificate")
	if _, stderr, code := r.CLI(t, "config", "reload"); code == 0 || !strings.Contains(stderr, "tls.certificates") {
		t.Errorf("a certificate that does not fit: got %d %q", code, stderr)
	}
	if shown(t, r) != serial(t, first) {
		t.Error("a certificate that does not fit has changed what is shown")
	}
	second := testkit.Certificate(t, aYear, "localhost", "127.0.0.1")
	put(second)
	testkit.Eventually(t, "the new certificate to be shown", func() error {
		if shown(t, r) == serial(t, second) {
			return nil
		}
		return os.ErrDeadlineExceeded
	})
	if !strings.Contains(r.Output(), "config_reloaded") && !strings.Contains(r.Output(), "tls.certificates") {
		t.Error("nothing says that the certificate is another")
	}
}

// shown is the serial number of what the router shows now.
func shown(t *testing.T, r *testkit.Router) string {
	t.Helper()
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: testkit.Patience}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // only looked at
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func serial(t *testing.T, pair string) string {
	t.Helper()
	both, err := tls.X509KeyPair([]byte(pair), []byte(pair))
	if err != nil {
		t.Fatal(err)
	}
	return both.Leaf.SerialNumber.String()
}
