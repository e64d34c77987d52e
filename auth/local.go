package auth

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"workspace-router/internal/workspace"
)

// Names in the data directory of what the command line reaches the local server by.
const (
	LocalTokenFile = "admin.token" // mode 0600, another with every start
	LocalSocket    = "router.sock" // mode 0600
)

// Local verifies the token of the local operator. A worker of the same user may reach the socket, since pathname
// sockets are outside of what Landlock governs; it cannot read the token.
type Local struct {
	token     digest
	principal *workspace.Principal
}

// NewLocal makes a token and writes it into the data directory. The one of an earlier start ends with that.
func NewLocal(dir string) (*Local, error) {
	secret, _, h := NewKey("", workspace.Grant{})
	if err := writePrivate(filepath.Join(dir, LocalTokenFile), []byte(secret)); err != nil {
		return nil, fmt.Errorf("cannot write the local operator's token: %w", err)
	}
	return newLocal(h), nil
}

// InheritLocal uses the token that is in the data directory: that of a router which hands over to this one, and whose
// operators are not to notice.
func InheritLocal(dir string) (*Local, error) {
	secret, err := os.ReadFile(filepath.Join(dir, LocalTokenFile))
	if err != nil {
		return nil, fmt.Errorf("cannot read the local operator's token: %w", err)
	}
	if len(secret) < shortestAdminKey {
		return nil, fmt.Errorf("cannot use the local operator's token: it has %d characters, want %d or more", len(secret), shortestAdminKey)
	}
	return newLocal(hash(string(secret))), nil
}

func newLocal(token digest) *Local {
	return &Local{token: token, principal: &workspace.Principal{Type: workspace.PrincipalLocal, ID: "local", Grants: []workspace.Grant{{
		AllTenants: true, Permissions: workspace.Permissions(workspace.ClusterAdmin),
	}}}}
}

// Authenticate gives the local operator, who may do everything, for the token in Authorization: Bearer. Every error
// wraps workspace.ErrUnauthenticated.
func (l *Local) Authenticate(r *http.Request) (*workspace.Principal, error) {
	token, err := Credential(r.Header)
	if err != nil {
		return nil, err
	}
	if h := hash(token); subtle.ConstantTimeCompare(h[:], l.token[:]) != 1 {
		return nil, errNotValid
	}
	return l.principal, nil
}
