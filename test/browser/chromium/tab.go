package chromium

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// Tab is one page after the other.
type Tab struct {
	browser *Browser
	session string
	target  string

	mu     sync.Mutex // guards what follows
	asked  map[string]*Asked
	order  []*Asked
	errors []string
}

// Open goes to an address as if it had been typed, and returns when the page is complete.
func (t *Tab) Open(tb testing.TB, url string) {
	tb.Helper()
	var answer struct {
		Error string `json:"errorText"`
	}
	if err := t.call(tb, "Page.navigate", map[string]any{"url": url}, &answer); err != nil {
		tb.Fatal(err)
	}
	if answer.Error != "" && answer.Error != "net::ERR_HTTP_RESPONSE_CODE_FAILURE" {
		tb.Fatalf("cannot open %s: %s", url, answer.Error)
	}
	t.Until(tb, url+" to be complete", `document.readyState === "complete"`)
}

// Show puts the tab before the others. Those behind it are not drawn, and what their pages do with that is late or lost.
func (t *Tab) Show(tb testing.TB) {
	tb.Helper()
	if err := t.call(tb, "Page.bringToFront", nil, nil); err != nil {
		tb.Fatal(err)
	}
}

// Reload does what the button does, and returns when the page is complete.
func (t *Tab) Reload(tb testing.TB) {
	tb.Helper()
	t.Eval(tb, `window.beforeReload = true`, nil)
	if err := t.call(tb, "Page.reload", nil, nil); err != nil {
		tb.Fatal(err)
	}
	t.Until(tb, "the page to be loaded again", `!window.beforeReload && document.readyState === "complete"`)
}

// Eval runs a script in the page, waits for its promise if it gives one, and decodes what it gives into result, unless
// that is nil. It fails the test if the script throws.
func (t *Tab) Eval(tb testing.TB, script string, result any) {
	tb.Helper()
	if err := t.eval(tb, script, result); err != nil {
		tb.Fatalf("cannot run %s: %v", script, err)
	}
}

func (t *Tab) eval(tb testing.TB, script string, result any) error {
	tb.Helper()
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	params := map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true}
	if err := t.call(tb, "Runtime.evaluate", params, &answer); err != nil {
		return err
	}
	if e := answer.Exception; e != nil {
		return fmt.Errorf("the script threw %s %s", e.Text, e.Exception.Description)
	}
	if result == nil {
		return nil
	}
	if len(answer.Result.Value) == 0 {
		return fmt.Errorf("the script gave nothing")
	}
	return json.Unmarshal(answer.Result.Value, result)
}

// Text runs a script that gives a text.
func (t *Tab) Text(tb testing.TB, script string) string {
	tb.Helper()
	var text string
	t.Eval(tb, script, &text)
	return text
}

// Until waits until a condition in the page holds; pages may come and go meanwhile.
func (t *Tab) Until(tb testing.TB, what, condition string) {
	tb.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		var holds bool
		err := t.eval(tb, "Boolean("+condition+")", &holds)
		if err == nil && holds {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			tb.Fatalf("waited in vain for %s: %v\n%s", what, err, t.state(tb))
		}
	}
}

// state says what the tab shows, for the message of a test that fails.
func (t *Tab) state(tb testing.TB) string {
	tb.Helper()
	var text string
	_ = t.eval(tb, `location.href + "\n" + document.body.innerText`, &text)
	return fmt.Sprintf("%s\nerrors: %q\nasked: %v", text, t.Errors(), t.Asked())
}

// Click presses the mouse's button over what the script gives, once it is there.
func (t *Tab) Click(tb testing.TB, element string) {
	tb.Helper()
	t.Until(tb, element, element)
	var at struct{ X, Y float64 }
	t.Eval(tb, fmt.Sprintf(`(() => { const e = %s; e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect();
		return {X: r.x + r.width / 2, Y: r.y + r.height / 2} })()`, element), &at)
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		params := map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}
		if kind == "mouseMoved" {
			params["button"], params["clickCount"] = "none", 0
		}
		if err := t.call(tb, "Input.dispatchMouseEvent", params, nil); err != nil {
			tb.Fatal(err)
		}
	}
}

// Type puts a text where the cursor is.
func (t *Tab) Type(tb testing.TB, text string) {
	tb.Helper()
	if err := t.call(tb, "Input.insertText", map[string]any{"text": text}, nil); err != nil {
		tb.Fatal(err)
	}
}

// Choose gives files to the file input that the script gives, as its dialog would.
func (t *Tab) Choose(tb testing.TB, element string, paths ...string) {
	tb.Helper()
	t.Until(tb, element, element)
	var answer struct {
		Result struct {
			ID string `json:"objectId"`
		} `json:"result"`
	}
	err := t.call(tb, "Runtime.evaluate", map[string]any{"expression": element}, &answer)
	if err == nil {
		err = t.call(tb, "DOM.setFileInputFiles", map[string]any{"files": paths, "objectId": answer.Result.ID}, nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// Picture writes what the tab shows as a PNG file.
func (t *Tab) Picture(tb testing.TB, path string) {
	tb.Helper()
	var answer struct {
		Data string `json:"data"`
	}
	err := t.call(tb, "Page.captureScreenshot", nil, &answer)
	var picture []byte
	if err == nil {
		picture, err = base64.StdEncoding.DecodeString(answer.Data)
	}
	if err == nil {
		err = os.WriteFile(path, picture, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func (t *Tab) call(tb testing.TB, method string, params map[string]any, result any) error {
	tb.Helper()
	return t.browser.call(tb, t.session, method, params, result)
}
