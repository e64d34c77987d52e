package proxy

import (
	"encoding/json"
	"net/http"

	"workspace-router/internal/kind"
)

// guestRoute reports whether the request is one of the two by which LightRAG's pages find out how to log in. The
// router's log-in is in front of those pages, so they are told that there is none: what they get is a guest's token,
// which is worth nothing, while the session's cookie or a key is what counts.
func (c *chain) guestRoute(x *exchange) bool {
	if c.deps.Sessions == nil {
		return false
	}
	switch x.path.Decoded {
	case "/auth-status":
		return x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
	case "/login":
		return x.r.Method == http.MethodPost
	}
	return false
}

// answerGuestRoute answers them for workspaces whose kind has such routes. On the others they are the worker's.
func (c *chain) answerGuestRoute(x *exchange) error {
	if x.route.Class != kind.Never || x.route.Cold == nil || !c.guestRoute(x) {
		return nil
	}
	return c.answerGuest(x)
}

// guestStatus is in the words that LightRAG has where it has no accounts.
type guestStatus struct {
	AuthConfigured *bool   `json:"auth_configured,omitempty"` // of /auth-status only
	AccessToken    string  `json:"access_token"`
	TokenType      string  `json:"token_type"`
	AuthMode       string  `json:"auth_mode"`
	Message        string  `json:"message"`
	CoreVersion    string  `json:"core_version"`
	APIVersion     string  `json:"api_version"`
	WebUITitle     *string `json:"webui_title"`
	Description    *string `json:"webui_description"`
}

func (c *chain) answerGuest(x *exchange) error {
	token, err := c.deps.Sessions.GuestToken()
	if err != nil {
		return err
	}
	status := guestStatus{
		AccessToken: token, TokenType: "bearer", AuthMode: "disabled", CoreVersion: c.Version, APIVersion: c.Version,
		Message: "There are no accounts. Send an API key, or log in at " + logInPath + " on the workspace's host.",
	}
	if x.r.Method != http.MethodPost {
		status.AuthConfigured = new(bool)
	}
	content, err := json.Marshal(status)
	if err != nil {
		return err
	}
	x.answerJSON(content)
	return nil
}
