package configs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/testkit"
)

const years = 1000 * time.Hour * 24

func TestCertificates_AreReadAndWatched(t *testing.T) {
	t.Parallel()
	both := testkit.Certificate(t, years, "rag.example")
	cut := strings.Index(both, "-----BEGIN PRIVATE KEY")
	chain, key := write(t, "chain.pem", both[:cut]), write(t, "key.pem", both[cut:])
	one := write(t, "both.pem", testkit.Certificate(t, years, "*.rag.example"))
	got := mustLoad(t, Source{Environ: []string{"ROUTER_TLS_CERTIFICATES=" + chain + "=" + key + ", " + one}})
	var names []string
	for _, pair := range got.Certificates {
		names = append(names, pair.Leaf.Subject.CommonName)
	}
	if diff := cmp.Diff([]string{"rag.example", "*.rag.example"}, names); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
	for _, path := range []string{chain, key, one} {
		if !slices.Contains(got.Files, path) {
			t.Errorf("%q is not among %q", path, got.Files)
		}
	}
}

func TestCertificates_WhatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	one, other := testkit.Certificate(t, years, "a.example"), testkit.Certificate(t, years, "b.example")
	cut := strings.Index(one, "-----BEGIN PRIVATE KEY")
	pair, foreign := write(t, "pair.pem", one), write(t, "other.pem", other)
	cases := map[string]struct{ environ, want string }{
		"no file":         {"ROUTER_TLS_CERTIFICATES=/nowhere.pem", `cannot read "/nowhere.pem"`},
		"no key":          {"ROUTER_TLS_CERTIFICATES=" + write(t, "alone.pem", one[:cut]), "cannot use"},
		"another's key":   {"ROUTER_TLS_CERTIFICATES=" + pair + "=" + foreign, "does not match"},
		"no certificate":  {"ROUTER_TLS_CERTIFICATES=" + write(t, "text.pem", "text"), "cannot use"},
		"operator, alone": {"ROUTER_TLS_OPERATOR=true", "tls.operator: got true without tls.certificates"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, _, err := load(t, Source{Environ: []string{tc.environ}})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "ENV ROUTER_TLS_") {
				t.Errorf("got %v, want %q with its place", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), one[cut+40:cut+80]) {
				t.Errorf("the key is shown: %v", err)
			}
			// What was looked at is watched: when the second of two files is written, the pair fits.
			if name == "another's key" && !slices.Contains(config.Files, foreign) {
				t.Errorf("%q is not among %q", foreign, config.Files)
			}
		})
	}
}

func TestCertificates_AnEndThatIsNearIsToldOf(t *testing.T) {
	t.Parallel()
	for lifetime, want := range map[time.Duration]string{-time.Hour: "has ended on", 24 * time.Hour: "ends on", years: ""} {
		path := write(t, "pair.pem", testkit.Certificate(t, lifetime, "a.example"))
		_, warnings, err := load(t, Source{Environ: []string{"ROUTER_TLS_CERTIFICATES=" + path}})
		if err != nil {
			t.Fatal(err)
		}
		if (len(warnings) == 1) != (want != "") || want != "" && !strings.Contains(warnings[0].Text, want) {
			t.Errorf("%v: got %v, want %q", lifetime, warnings, want)
		}
	}
}

// The files of the start are read anew; which files those are is fixed until the next start.
func TestCertificates_ChangeWithTheirFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, elsewhere := filepath.Join(dir, "pair.pem"), write(t, "else.pem", testkit.Certificate(t, years, "else.example"))
	source := Source{Dir: dir, Environ: []string{"ROUTER_TLS_CERTIFICATES=" + path}}
	loadWith := func(name string) Config {
		if err := os.WriteFile(path, []byte(testkit.Certificate(t, years, name)), 0o600); err != nil {
			t.Fatal(err)
		}
		return mustLoad(t, source)
	}
	before, after := loadWith("a.example"), loadWith("b.example")
	changes := before.Changes(&after)
	if len(changes) != 1 || changes[0].Key != "tls.certificates" || changes[0].Applies != AtOnce {
		t.Errorf("got %+v", changes)
	}
	if got := before.Adopt(after); got.Certificates[0].Leaf.Subject.CommonName != "b.example" {
		t.Error("the new certificate does not count")
	}
	source.Environ = []string{"ROUTER_TLS_CERTIFICATES=" + elsewhere}
	moved := mustLoad(t, source)
	if changes := after.Changes(&moved); len(changes) != 1 || changes[0].Applies != AtNextStart {
		t.Errorf("got %+v", changes)
	}
	if got := after.Adopt(moved); got.Certificates[0].Leaf.Subject.CommonName != "b.example" {
		t.Error("other files count before the next start")
	}
}

func TestNetworks_TakeAddressesAndPrefixes(t *testing.T) {
	t.Parallel()
	got := mustLoad(t, Source{File: write(t, "router.yaml", "trusted_proxies: [10.1.2.3/8, 192.0.2.7, \"fd00::1\"]\n")})
	var texts []string
	for _, prefix := range Networks(got.TrustedProxies) {
		texts = append(texts, prefix.String())
	}
	if diff := cmp.Diff([]string{"10.0.0.0/8", "192.0.2.7/32", "fd00::1/128"}, texts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, wrong := range []string{"proxy_protocol: [localhost]\n", "proxy_protocol: 10.0.0.0/33\n", "trusted_proxies: [\"fe80::1%eth0\"]\n"} {
		if _, _, err := load(t, Source{File: write(t, "router.yaml", wrong)}); err == nil || !strings.Contains(err.Error(), "router.yaml:1") {
			t.Errorf("%s: got %v", wrong, err)
		}
	}
}
