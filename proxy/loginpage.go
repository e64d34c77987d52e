package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
)

const logInStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:15vh auto;padding:0 1rem}` +
	`label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}input,button{margin:.3rem 0 1rem;padding:.5rem}` +
	`.note{color:#555;font-size:.9rem}.wrong{color:#a00}`

const logInText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{if .LogOut}}<form method="post" action="{{.Action}}">
<button autofocus>Log out</button>
</form>
<p class="note">This ends your session at this workspace, in this browser.</p>
{{else}}{{with .Message}}<p class="wrong" role="alert">{{.}}</p>
{{end}}<form method="post" action="{{.Action}}">
<input type="hidden" name="next" value="{{.Next}}">
<label for="key">Key of this workspace</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
</form>
<p class="note">Use a key that is for this workspace only: the pages behind this one are not the router's.</p>
{{end}}</body>
</html>
`

// logInPage is the only page that the router serves on a workspace's host, for coming and for going. It runs no script,
// loads nothing and can be framed by nobody.
type logInPage struct {
	template *template.Template
	policy   string
}

func newLogInPage() (*logInPage, error) {
	parsed, err := template.New("log-in").Parse(logInText)
	if err != nil {
		return nil, err
	}
	style := sha256.Sum256([]byte(logInStyle))
	return &logInPage{template: parsed, policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(style[:]) +
		"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"}, nil
}

// shown is what stands in the page.
type shown struct {
	Title, Action, Next, Message string
	LogOut                       bool
}

// Style is the page's, by which its policy knows it.
func (shown) Style() template.CSS { return logInStyle }

// write answers with the page for coming.
func (p *logInPage) write(x *exchange, status int, action, next, message string) error {
	return p.send(x, status, shown{Title: "Log in", Action: action, Next: next, Message: message})
}

// writeLogOut answers with the page for going.
func (p *logInPage) writeLogOut(x *exchange, action string) error {
	return p.send(x, http.StatusOK, shown{Title: "Log out", Action: action, LogOut: true})
}

func (p *logInPage) send(x *exchange, status int, what shown) error {
	var page bytes.Buffer
	if err := p.template.Execute(&page, what); err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with less the browser would not say where the form comes from
	h.Set("Cache-Control", "no-store")
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(page.Bytes())
	}
	x.answered = true
	return nil
}
