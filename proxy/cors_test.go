package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAllowOrigins(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		origins []string
		method  string
		origin  string
		asks    bool // whether it is a preflight request
		reached bool
		allowed string
	}{
		"nobody":              {nil, "GET", "https://a.example", false, true, ""},
		"everybody":           {[]string{"*"}, "GET", "https://a.example", false, true, "*"},
		"everybody's asking":  {[]string{"*"}, "OPTIONS", "https://a.example", true, false, "*"},
		"one of them":         {[]string{"https://b.example", "https://a.example"}, "POST", "https://a.example", false, true, "https://a.example"},
		"one of them, asking": {[]string{"https://a.example"}, "OPTIONS", "https://a.example", true, false, "https://a.example"},
		"another":             {[]string{"https://a.example"}, "GET", "https://c.example", false, true, ""},
		"another one asking":  {[]string{"https://a.example"}, "OPTIONS", "https://c.example", true, true, ""},
		"no page":             {[]string{"*"}, "GET", "", false, true, ""},
		"no preflight":        {[]string{"*"}, "OPTIONS", "https://a.example", false, true, "*"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reached := false
			handler := AllowOrigins(tc.origins, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				reached = true
				clear(w.Header()) // as an error does that takes the place of another answer
				_, _ = io.WriteString(w, "answer")
			}))
			r := httptest.NewRequestWithContext(t.Context(), tc.method, "/", nil)
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			if tc.asks {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != tc.allowed || reached != tc.reached {
				t.Errorf("got allowed %q, reached %v", got, reached)
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Error("a browser's own credentials are let through")
			}
			if tc.allowed != "" && tc.allowed != "*" && tc.reached && !strings.Contains(w.Header().Get("Vary"), "Origin") {
				t.Errorf("it may be kept for others: Vary is %q", w.Header()["Vary"])
			}
			if !tc.reached && (w.Code != http.StatusNoContent || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "X-Chroma-Token")) {
				t.Errorf("preflight: got %d, %v", w.Code, w.Header())
			}
		})
	}
}
