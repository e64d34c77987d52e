package workspace

import (
	"strings"
	"testing"
)

const someGeneration Generation = "0190b5a4-7d1e-7c3a-9b1f-0123456789ab"

func TestHostLabel_IsTheNameOrMadeFromTheGeneration(t *testing.T) {
	t.Parallel()
	const made = "ws-0190b5a47d1e7c3a9b1f0123456789ab"
	for name, test := range map[string]struct {
		tenant, name Name
		want         string
	}{
		"a name":                     {"default", "alpha", "alpha"},
		"in lower case":              {"default", "Alpha-2", "alpha-2"},
		"of another tenant":          {"Acme", "Alpha", "acme.alpha"},
		"the longest label":          {"default", Name(strings.Repeat("a", 63)), strings.Repeat("a", 63)},
		"too long for a label":       {"default", Name(strings.Repeat("a", 64)), made},
		"an underscore":              {"default", "my_ws", made},
		"a hyphen at its beginning":  {"default", "-a", made},
		"a hyphen at its end":        {"default", "a-", made},
		"only a hyphen":              {"default", "-", made},
		"like an encoded name":       {"default", "xn--a", made},
		"like a generation's label":  {"default", "WS-0190b5a47d1e7c3a9b1f0123456789ab", made},
		"a shorter one is a name":    {"default", "ws-0190", "ws-0190"},
		"a tenant that is no label":  {"my_tenant", "alpha", made},
		"a tenant and name, neither": {"a_b", "c_d", made},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ref := Ref{Tenant: test.tenant, Name: test.name, Generation: someGeneration}
			got := ref.HostLabel()
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			checkLabel(t, ref)
		})
	}
}

// checkLabel reads a label back, as a browser would send it and in capitals.
func checkLabel(t *testing.T, ref Ref) {
	t.Helper()
	label := ref.HostLabel()
	for part := range strings.SplitSeq(label, ".") {
		if !strings.HasPrefix(label, generationLabel) && !hostLabel(part) {
			t.Errorf("%q of %q is no label of a host", part, label)
		}
	}
	for _, written := range []string{label, strings.ToUpper(label)} {
		tenant, name, generation, err := ParseHostLabel(written)
		if err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		byName := generation == "" && name.Fold() == ref.Name.Fold() &&
			(tenant.Fold() == ref.Tenant.Fold() || tenant == "" && ref.Tenant.Fold() == "default")
		if !byName && generation != ref.Generation {
			t.Errorf("%q of %v is read as %q %q %q", written, ref, tenant, name, generation)
		}
	}
}

func TestParseHostLabel_RefusesWhatIsNoName(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"", ".", "a.", ".a", "a.b.c", "a b", "ä", "a:1", strings.Repeat("a", 65)} {
		if _, _, _, err := ParseHostLabel(label); err == nil {
			t.Errorf("%q was accepted", label)
		}
	}
}

// Every workspace is found by the label that it is shown with.
func FuzzHostLabel(f *testing.F) {
	f.Add("default", "alpha")
	f.Add("Acme", "-x")
	f.Add("default", "ws-0190b5a47d1e7c3a9b1f0123456789ab")
	f.Fuzz(func(t *testing.T, tenant, name string) {
		ref := Ref{Generation: someGeneration}
		var err error
		if ref.Tenant, err = ParseName(tenant); err != nil {
			return
		}
		if ref.Name, err = ParseName(name); err != nil {
			return
		}
		checkLabel(t, ref)
	})
}
