package workspace

import "time"

// Key is a credential as the catalog keeps it: everything but the secret, of which only a hash is stored.
type Key struct {
	ID     string // 8 hex characters; what people and logs call the key
	Prefix string // the first characters of the secret, to recognise it by
	Name   string // what the key is for, in its owner's words
	Grant  Grant
	// CreatedAt is always set. ExpiresAt, RevokedAt and LastUsedAt are zero where that never happened.
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time
	LastUsedAt time.Time
}

// ValidAt reports whether the key may be used at the given moment.
func (k *Key) ValidAt(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}
