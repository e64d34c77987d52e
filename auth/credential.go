package auth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"workspace-router/internal/workspace"
)

// maxCredential bounds what is hashed, in bytes. Keys have 46.
const maxCredential = 512

// What is told apart for people; for programs each is workspace.ErrUnauthenticated.
var (
	errNone     = fmt.Errorf("%w: none was given; send X-API-Key, or Authorization: Bearer", workspace.ErrUnauthenticated)
	errSeveral  = fmt.Errorf("%w: the header has several values", workspace.ErrUnauthenticated)
	errForm     = fmt.Errorf("%w: the header has an unknown form", workspace.ErrUnauthenticated)
	errNotValid = fmt.Errorf("%w: it is unknown, expired or revoked", workspace.ErrUnauthenticated)
)

// Credential takes the credential from its place: X-API-Key, else X-Chroma-Token, else Authorization (Bearer, or
// Basic, whose password it is). The first header that is there decides alone, even if it is blank; one that is there
// several times is refused, since whoever reads it next might choose another value. Every error wraps
// workspace.ErrUnauthenticated.
func Credential(header http.Header) (string, error) {
	if values, found := header["X-Api-Key"]; found {
		return single(values)
	}
	if values, found := header["X-Chroma-Token"]; found {
		return single(values)
	}
	values, found := header["Authorization"]
	if !found {
		return "", errNone
	}
	text, err := single(values)
	if err != nil {
		return "", err
	}
	scheme, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case rest == "":
		return "", errForm
	case strings.EqualFold(scheme, "Bearer"):
		return rest, nil
	case strings.EqualFold(scheme, "Basic"):
		return password(rest)
	}
	return "", errForm
}

func single(values []string) (string, error) {
	switch {
	case len(values) != 1:
		return "", errSeveral
	case values[0] == "" || len(values[0]) > maxCredential:
		return "", errForm
	}
	return values[0], nil
}

func password(encoded string) (string, error) {
	pair, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", errForm
	}
	_, secret, found := strings.Cut(string(pair), ":")
	if !found || secret == "" {
		return "", errForm
	}
	return secret, nil
}
