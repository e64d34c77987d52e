package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// authenticate lets a request pass that carries the key, as X-API-Key or as a bearer token. As in LightRAG a token that
// is none of ours is refused even beside a right key. A guest's token is no credential.
func (s *Server) authenticate(r *http.Request) error {
	if s.config.APIKey == "" {
		return nil
	}
	if token, ok := bearer(r); ok {
		if s.isKey(token) {
			return nil
		}
		if !s.isGuest(token) {
			return &apiError{http.StatusUnauthorized, "Invalid token. Please login again."}
		}
	}
	key := r.Header.Get("X-API-Key")
	switch {
	case key == "":
		return &apiError{http.StatusForbidden, "API Key required"}
	case !s.isKey(key):
		return &apiError{http.StatusForbidden, "Invalid API Key"}
	}
	return nil
}

// isKey compares digests, so that neither the key's content nor its length shows in the time it takes.
func (s *Server) isKey(given string) bool {
	digest := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(digest[:], s.key[:]) == 1
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "bearer")
}

// guestToken is what LightRAG's clients are given to carry where there are no accounts. It opens nothing.
func (s *Server) guestToken(now time.Time) string {
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	claims, err := json.Marshal(map[string]any{
		"sub": "guest", "role": "guest", "exp": now.Add(24 * time.Hour).Unix(), "metadata": map[string]string{"auth_mode": "disabled"},
	})
	if err != nil { // of strings and a number: cannot happen
		return ""
	}
	signed := header + "." + base64.RawURLEncoding.EncodeToString(claims)
	return signed + "." + s.sign(signed)
}

func (s *Server) sign(text string) string {
	mac := hmac.New(sha256.New, s.key[:]) // known to nobody who lacks the key, and the same after a restart
	mac.Write([]byte("guest token\x00" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Server) isGuest(token string) bool {
	at := strings.LastIndexByte(token, '.')
	return at > 0 && hmac.Equal([]byte(token[at+1:]), []byte(s.sign(token[:at])))
}

func (s *Server) authStatus(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, s.guest("Authentication is disabled. Using guest access."))
}

func (s *Server) login(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, s.guest("Authentication is disabled. Using guest access."))
}

func (s *Server) guest(message string) map[string]any {
	return map[string]any{
		"auth_configured": false, "access_token": s.guestToken(time.Now()), "token_type": "bearer", "auth_mode": "disabled",
		"message": message, "core_version": s.config.Version, "api_version": s.config.Version, "webui_title": nil, "webui_description": nil,
	}
}

func (s *Server) verify(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, map[string]any{"status": "ok"})
}
