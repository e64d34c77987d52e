package workspace

import (
	"fmt"
	"math/bits"
	"strings"
)

// Permission is one right on one workspace, tenant or installation.
type Permission uint8

// The permissions, in the order in which they are listed to people. The zero value is none of them, so that a route
// whose permission was forgotten can be told from one that has it.
const (
	_ Permission = iota
	QueryRun
	DocumentRead
	DocumentWrite
	DocumentDelete
	GraphRead
	GraphWrite
	WorkspaceRead
	WorkspaceCreate
	WorkspaceUpdate
	WorkspaceDelete
	WorkspaceOperate
	WorkspaceExport
	KeyManage
	MemberManage
	TenantAdmin
	AuditRead
	ClusterOperate
	ClusterAdmin
	permissionEnd
)

// Strictest is the permission that a route which no table names needs.
const Strictest = ClusterAdmin

var permissionNames = [permissionEnd]string{
	QueryRun: "query:run", DocumentRead: "document:read", DocumentWrite: "document:write", DocumentDelete: "document:delete",
	GraphRead: "graph:read", GraphWrite: "graph:write", WorkspaceRead: "workspace:read", WorkspaceCreate: "workspace:create",
	WorkspaceUpdate: "workspace:update", WorkspaceDelete: "workspace:delete", WorkspaceOperate: "workspace:operate",
	WorkspaceExport: "workspace:export", KeyManage: "key:manage", MemberManage: "member:manage", TenantAdmin: "tenant:admin",
	AuditRead: "audit:read", ClusterOperate: "cluster:operate", ClusterAdmin: "cluster:admin",
}

// ParsePermission reads the text form, such as "query:run".
func ParsePermission(s string) (Permission, error) {
	for p := QueryRun; p < permissionEnd; p++ {
		if permissionNames[p] == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("unknown permission %q, want one of %s", s, strings.Join(permissionNames[1:], ", "))
}

// String is the text form.
func (p Permission) String() string {
	if p == 0 || p >= permissionEnd {
		return fmt.Sprintf("permission(%d)", uint8(p))
	}
	return permissionNames[p]
}

// MarshalText writes the text form.
func (p Permission) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the text form.
func (p *Permission) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePermission(string(text))
	return err
}

// PermissionSet is a set of permissions; the zero value is empty.
type PermissionSet uint64

// Permissions makes a set.
func Permissions(list ...Permission) (set PermissionSet) {
	for _, p := range list {
		set |= 1 << p
	}
	return set
}

// AllPermissions is the set of every permission.
func AllPermissions() PermissionSet { return (1<<permissionEnd - 1) &^ 1 }

// ClusterPermissions is the set of those that are held over the whole installation only.
func ClusterPermissions() PermissionSet { return Permissions(ClusterOperate, ClusterAdmin) }

// Has reports whether p is in the set.
func (s PermissionSet) Has(p Permission) bool { return s&(1<<p) != 0 }

// List gives the members in the order in which they are declared.
func (s PermissionSet) List() []Permission {
	list := make([]Permission, 0, bits.OnesCount64(uint64(s)))
	for p := QueryRun; p < permissionEnd; p++ {
		if s.Has(p) {
			list = append(list, p)
		}
	}
	return list
}
