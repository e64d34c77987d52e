package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"workspace-router/internal/workspace"
)

// AdminKeyFile is the admin key's file in the data directory: the key and nothing else, mode 0600.
const AdminKeyFile = "admin.key"

// adminKeyName is what the catalog calls keys that came from AdminKeyFile.
const adminKeyName = "admin.key"

// shortestAdminKey is the least that an admin key written by hand may have, in characters.
const shortestAdminKey = 32

// Registry is where the admin key is registered.
type Registry interface {
	// Keys lists all keys.
	Keys(ctx context.Context) ([]workspace.Key, error)
	// CreateKey registers a key by the SHA-256 of its secret.
	CreateKey(ctx context.Context, key workspace.Key, hash [sha256.Size]byte) error
	// RevokeKey ends a key from now on.
	RevokeKey(ctx context.Context, id string) error
}

// EnsureAdminKey makes the file and the catalog agree on the admin key, the file being right:
//
//   - no file: a key is made, written and registered, and created is true;
//   - a file with a key that the catalog does not know, because the catalog was lost or the file written by hand: the
//     key is registered;
//   - admin keys of earlier files are revoked. So the key is replaced by removing the file and starting again.
//
// A key that was revoked otherwise is not brought back; that is an error.
func EnsureAdminKey(ctx context.Context, dir string, registry Registry) (key string, created bool, err error) {
	path := filepath.Join(dir, AdminKeyFile)
	grant := workspace.Grant{AllTenants: true, Permissions: workspace.Permissions(workspace.ClusterAdmin)}
	key, err = readAdminKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, _, _ = NewKey(adminKeyName, grant)
		// The file first: one that the catalog does not know is registered by the next start, the reverse is lost.
		created, err = true, writePrivate(path, []byte(key))
	}
	if err != nil {
		return "", false, fmt.Errorf("cannot use the admin key: %w", err)
	}
	if err := registerAdminKey(ctx, registry, path, key, grant); err != nil {
		return "", false, fmt.Errorf("cannot register the admin key: %w", err)
	}
	return key, created, nil
}

func readAdminKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); info.Mode().IsRegular() && mode&0o077 != 0 {
		return "", fmt.Errorf("%q has mode %04o, want 0600: others may have read the key; remove the file to have a new one made", path, mode)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(data))
	if len(key) < shortestAdminKey || len(key) > maxCredential || strings.ContainsAny(key, " \t\r\n") {
		return "", fmt.Errorf("%q does not hold a key, want %d to %d characters without blanks", path, shortestAdminKey, maxCredential)
	}
	return key, nil
}

func registerAdminKey(ctx context.Context, registry Registry, path, key string, grant workspace.Grant) error {
	described, h := describeKey(adminKeyName, key, grant)
	keys, err := registry.Keys(ctx)
	if err != nil {
		return err
	}
	registered := false
	for _, k := range keys {
		switch {
		case k.ID == described.ID && !k.RevokedAt.IsZero():
			return fmt.Errorf("the key in %q was revoked; remove the file to have a new one made", path)
		case k.ID == described.ID:
			registered = true
		case k.Name == adminKeyName && k.RevokedAt.IsZero():
			if err := registry.RevokeKey(ctx, k.ID); err != nil {
				return err
			}
		}
	}
	if registered {
		return nil
	}
	return registry.CreateKey(ctx, described, h)
}

// writePrivate puts a file of mode 0600 in place as a whole: after a crash there is the old one, the new one, or none.
func writePrivate(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // without effect once it is renamed
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
