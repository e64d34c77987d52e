// Package workspace holds the domain's plain types: names, references, tenants, principals, permissions and the
// sentinel errors that every layer shares. It knows nothing of HTTP, SQL or processes, imports only the standard
// library and starts no goroutine.
package workspace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultTenant is the one tenant of a single-tenant installation.
const DefaultTenant Name = "default"

// MaxNameLength is the longest a tenant's or a workspace's name may be, in bytes.
const MaxNameLength = 64

// Name is the name of a tenant or of a workspace: [A-Za-z0-9_-]{1,64}, unique within its scope without regard to case
// and never changed once given.
type Name string

// ParseName checks s against the form of a Name. The error wraps ErrNameInvalid and says what is allowed.
func ParseName(s string) (Name, error) {
	if s == "" {
		return "", fmt.Errorf("%w: the name is blank; allowed are 1 to %d of A-Z a-z 0-9 _ -", ErrNameInvalid, MaxNameLength)
	}
	if len(s) > MaxNameLength {
		return "", fmt.Errorf("%w: the name has %d bytes; allowed are 1 to %d of A-Z a-z 0-9 _ -", ErrNameInvalid, len(s), MaxNameLength)
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return "", fmt.Errorf("%w: %q has a character at byte %d that is none of A-Z a-z 0-9 _ -", ErrNameInvalid, s, i)
		}
	}
	return Name(s), nil
}

func nameByte(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// Fold returns the form in which two names are compared.
func (n Name) Fold() string { return strings.ToLower(string(n)) }

// MakeName makes a name of a display name: "Test KB" is "test-kb". It is blank where nothing can be made of it.
func MakeName(display string) Name {
	var b strings.Builder
	for _, r := range strings.ToLower(display) {
		switch {
		case r < 128 && nameByte(byte(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == MaxNameLength {
			break
		}
	}
	return Name(strings.Trim(b.String(), "-"))
}

// Numbered is the n-th name that is made where the first ones are taken: "test-kb-2". It is cut where it gets too long.
func (n Name) Numbered(number int) Name {
	suffix := "-" + strconv.Itoa(number)
	return n[:min(len(n), MaxNameLength-len(suffix))] + Name(suffix)
}

// ParseQualified reads "name" or "tenant.name"; tenant is empty where none was written.
func ParseQualified(s string) (tenant, name Name, err error) {
	before, after, found := strings.Cut(s, ".")
	if !found {
		name, err = ParseName(s)
		return "", name, err
	}
	if tenant, err = ParseName(before); err != nil {
		return "", "", err
	}
	name, err = ParseName(after)
	return tenant, name, err
}

// Generation is a workspace's true identity: a UUID in its canonical lower-case text form. A deleted name that is used
// again has a new one, so what was made for the old workspace can never reach the new.
type Generation string

// WorkerName is the name that a worker is told as its own. It is made from the generation, so that databases shared by
// workers keep generations apart, and has the form that every back end of LightRAG stores unchanged: [a-z][a-z0-9]*,
// 33 bytes.
func (g Generation) WorkerName() string { return "w" + strings.ReplaceAll(string(g), "-", "") }

// Ref names one workspace. It is comparable; Generation alone decides whether two are the same workspace.
type Ref struct {
	Tenant     Name
	Name       Name
	Generation Generation
}

// String is the form that people read and write: "name" in the tenant default, "tenant.name" elsewhere.
func (r Ref) String() string {
	if r.Tenant == DefaultTenant {
		return string(r.Name)
	}
	return string(r.Tenant) + "." + string(r.Name)
}

// State says what may be done with a workspace.
type State string

// The states of a workspace's row in the catalog.
const (
	StateProvisioning State = "provisioning"
	StateActive       State = "active"
	StateDeleted      State = "deleted"
)

// Workspace is one row of the catalog.
type Workspace struct {
	Ref
	DisplayName string
	Kind        string
	// WorkerName is Generation.WorkerName() except for adopted data, which keep the name that they have.
	WorkerName string
	State      State
	// IdleTimeout is for how long its worker may be at rest before it is stopped although nobody needs the room; 0 is as
	// its kind says, below 0 is for ever.
	IdleTimeout time.Duration
	// Resume is what its workers are told to do with work that was left unfinished, in the words of kind.Resume; empty is
	// as its kind is configured.
	Resume string
	// Suspended says that its tenant is: nobody is served, nothing is started, nothing is lost.
	Suspended bool
	Revision  int64 // counts its changes
	CreatedAt time.Time
}

// Tenant owns workspaces, members, keys and quotas.
type Tenant struct {
	ID          string // UUID
	Name        Name
	DisplayName string
	Active      bool  // false: suspended
	Revision    int64 // counts its changes
	CreatedAt   time.Time
}
