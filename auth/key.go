package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"workspace-router/internal/workspace"
)

// keyMark begins every key that is made here, so that people and scanners for leaked secrets know one when they see it.
const keyMark = "sk-"

// NewKey makes a key: the secret, to be shown once, and what the catalog keeps of it. The secret is "sk-" and 256 random
// bits in base64url. The caller may set ExpiresAt before it registers the key.
func NewKey(name string, grant workspace.Grant) (secret string, key workspace.Key, digest [sha256.Size]byte) {
	random := make([]byte, 32)
	rand.Read(random) // never fails: the program ends if the system has no randomness
	secret = keyMark + base64.RawURLEncoding.EncodeToString(random)
	key, digest = describeKey(name, secret, grant)
	return secret, key, digest
}

// describeKey is what the catalog keeps of a secret. The id is taken from the hash, so that it can be found out from
// the secret, but not the other way round.
func describeKey(name, secret string, grant workspace.Grant) (workspace.Key, digest) {
	h := hash(secret)
	return workspace.Key{
		ID: hex.EncodeToString(h[:4]), Prefix: secret[:min(len(secret), len(keyMark)+4)], Name: name, Grant: grant,
		CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
	}, h
}
