package keeper

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// tokenBytes is the length of a token before it is written in hexadecimal digits.
const tokenBytes = 32

// Token is a secret that a keeper makes when it starts and that a router must know to attach. Who can read it can do
// what the router can.
type Token string

// NewToken makes a token that nobody knows.
func NewToken() (Token, error) {
	b := make([]byte, tokenBytes)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("cannot make a token: %w", err)
	}
	return Token(hex.EncodeToString(b)), nil
}

// ReadToken gives the token of the keeper that runs. The error wraps os.ErrNotExist where none does.
func ReadToken(data Data) (Token, error) {
	text, err := os.ReadFile(data.KeeperToken())
	if err != nil {
		return "", fmt.Errorf("cannot read the keeper's token: %w", err)
	}
	return Token(strings.TrimSpace(string(text))), nil
}

// Equal compares in a time that says nothing of where the two differ. No token is equal to none.
func (t Token) Equal(other Token) bool {
	one, two := sha256.Sum256([]byte(t)), sha256.Sum256([]byte(other))
	return t != "" && subtle.ConstantTimeCompare(one[:], two[:]) == 1
}

// String hides the token, which must not get into a log.
func (t Token) String() string { return "(hidden)" }
