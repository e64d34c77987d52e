package auth

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SessionKeyFile is the file in the data directory that holds the key by which sessions are signed, in hexadecimal
// digits, mode 0600. Without it all sessions end, and nothing else.
const SessionKeyFile = "session.key"

// sessionKeyBytes is the length of that key.
const sessionKeyBytes = 32

// EnsureSessionKey reads the key for sessions, and makes it where there is none.
func EnsureSessionKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, SessionKeyFile)
	key, err := readSessionKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, sessionKeyBytes)
		rand.Read(key) // never fails: the program ends if the system has no randomness
		err = writePrivate(path, []byte(hex.EncodeToString(key)+"\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the key for sessions: %w", err)
	}
	return key, nil
}

func readSessionKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%q has mode %04o, want 0600: others may have read it; remove the file, and all sessions end", path, mode)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(content)))
	if err != nil || len(key) != sessionKeyBytes {
		return nil, fmt.Errorf("%q does not hold %d bytes as hexadecimal digits; remove the file, and all sessions end", path, sessionKeyBytes)
	}
	return key, nil
}
