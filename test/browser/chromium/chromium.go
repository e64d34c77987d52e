// Package chromium drives a real Chromium, without a window, for tests: it starts one, opens tabs for visitors who share
// nothing, clicks and types, runs scripts in pages as if they were the pages' own, and tells what the pages have asked for.
// It speaks the browser's own debugging protocol over two pipes, so there is no driver and no port that others could find.
// It looks into no page by itself. A browser has two goroutines: one that reads from it, one that waits for its end.
package chromium

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every call.
const patience = time.Minute

// flags keep the browser from asking for anything that no page has asked for.
var flags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--disable-sync",
	"--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
	"--disable-extensions", "--disable-default-apps", "--metrics-recording-only", "--mute-audio", "--log-level=3", "--no-proxy-server",
	"--window-size=1400,900", "--remote-debugging-pipe",
}

// Browser is a running Chromium.
type Browser struct {
	pipe   *pipe
	exited chan struct{}
}

// Start runs program with a profile of its own and ends it with the test. More flags may be given.
func Start(tb testing.TB, program string, more ...string) *Browser {
	tb.Helper()
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(profile) })
	fromUs, toIt, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	fromIt, toUs, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	arguments := append(append([]string{"--user-data-dir=" + profile}, flags...), more...)
	// Not the test's context, which ends before the clean-ups.
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), program, append(arguments, "about:blank")...)
	command.ExtraFiles = []*os.File{fromUs, toUs} // 3 and 4, where it looks for them
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + profile, "TZ=UTC", "LANG=C.UTF-8"}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		tb.Fatalf("cannot start the browser: %v (scripts/chromium.sh installs one)", err)
	}
	fromUs.Close()
	toUs.Close()
	b := &Browser{pipe: newPipe(fromIt, toIt), exited: make(chan struct{})}
	go func() {
		defer close(b.exited)
		_ = command.Wait()
	}()
	tb.Cleanup(func() {
		// The whole group: helpers of a browser that is killed alone may outlive it.
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-b.exited
		toIt.Close()
		<-b.pipe.gone
		fromIt.Close()
		if tb.Failed() {
			tb.Logf("the browser said:\n%s", said.String())
		}
	})
	var version struct {
		Product string `json:"product"`
	}
	if err := b.call(tb, "", "Browser.getVersion", nil, &version); err != nil {
		tb.Fatal(err)
	}
	tb.Log(version.Product)
	return b
}

func (b *Browser) call(tb testing.TB, session, method string, params map[string]any, result any) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	return b.pipe.call(ctx, session, method, params, result)
}

// Visitor is somebody with cookies and storage of their own.
type Visitor struct {
	browser *Browser
	context string
}

// Visitor lets somebody in who has not been here before.
func (b *Browser) Visitor(tb testing.TB) *Visitor {
	tb.Helper()
	var made struct {
		ID string `json:"browserContextId"`
	}
	if err := b.call(tb, "", "Target.createBrowserContext", nil, &made); err != nil {
		tb.Fatal(err)
	}
	return &Visitor{browser: b, context: made.ID}
}

// Cookie is one that a visitor has.
type Cookie struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Domain   string `json:"domain"`
	Path     string `json:"path"`
	HTTPOnly bool   `json:"httpOnly"`
	SameSite string `json:"sameSite"`
}

// Cookies are all that the visitor has.
func (v *Visitor) Cookies(tb testing.TB) []Cookie {
	tb.Helper()
	var answer struct {
		Cookies []Cookie `json:"cookies"`
	}
	if err := v.browser.call(tb, "", "Storage.getCookies", map[string]any{"browserContextId": v.context}, &answer); err != nil {
		tb.Fatal(err)
	}
	return answer.Cookies
}

// Tab opens an empty tab.
func (v *Visitor) Tab(tb testing.TB) *Tab {
	tb.Helper()
	var target struct {
		ID string `json:"targetId"`
	}
	if err := v.browser.call(tb, "", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": v.context}, &target); err != nil {
		tb.Fatal(err)
	}
	t, err := v.attach(tb, target.ID)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// attach takes hold of a tab.
func (v *Visitor) attach(tb testing.TB, target string) (*Tab, error) {
	tb.Helper()
	var attached struct {
		Session string `json:"sessionId"`
	}
	if err := v.browser.call(tb, "", "Target.attachToTarget", map[string]any{"targetId": target, "flatten": true}, &attached); err != nil {
		return nil, err
	}
	t := &Tab{browser: v.browser, session: attached.Session, target: target, asked: map[string]*Asked{}}
	v.browser.pipe.listen(t.session, t.hear)
	for _, domain := range []string{"Page", "Network", "Runtime"} {
		if err := t.call(tb, domain+".enable", nil, nil); err != nil {
			return nil, fmt.Errorf("cannot watch a tab: %w", err)
		}
	}
	return t, nil
}
