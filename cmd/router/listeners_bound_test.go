package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"go.uber.org/zap"

	"workspace-router/configs"
	"workspace-router/internal/telemetry"
	"workspace-router/proxy"
)

// shortDir is a directory whose path a socket's name fits behind.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// testEntrance is what the configuration makes of it, without certificates.
func testEntrance(t *testing.T, config *configs.Config) entrance {
	t.Helper()
	access, err := telemetry.NewAccessLog(config.Log.Format, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = access.Close() })
	front, err := proxy.NewFront(proxy.ListenerConfig{
		Connections: config.Limits.Connections, UnreadTimeout: config.Limits.UnreadTimeout, HeaderTimeout: config.Limits.HeaderTimeout,
	}, proxy.Observer{Access: access, Metrics: telemetry.NewMetrics(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return entrance{front: front, log: zap.NewNop()}
}

func TestListeners_ServeEachBoundOneByItsOwnHandler(t *testing.T) {
	t.Parallel()
	config := configs.Defaults()
	config.Listen, config.OperatorListen = "127.0.0.1:0", "127.0.0.1:0"
	config.BoundListeners = []string{"127.0.0.1:0=alpha", "127.0.0.1:0=acme.beta"}
	l, err := listen(t.Context(), config, &dataDir{path: shortDir(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	if err := l.serve(testEntrance(t, &config), say("data"), say("operator"), say("local"), []http.Handler{say("alpha"), say("beta")}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.run(t.Context()) }()
	for g, want := range map[*gate]string{l.data: "data", l.operator: "operator", l.bound[0]: "alpha", l.bound[1]: "beta"} {
		if got := fetch(t, g); got != want {
			t.Errorf("%s at %s: %q answered, want %q", g.name, g.Addr(), got, want)
		}
	}
	if err := l.hold(); err != nil || l.bound[0].held == nil || l.bound[1].held == nil {
		t.Errorf("the bound listeners are not held up (%v)", err)
	}
	if err := l.open(); err != nil {
		t.Error(err)
	}
	if got := fetch(t, l.bound[1]); got != "beta" {
		t.Errorf("after they were opened again %q answered", got)
	}
	l.shutdown(patience)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func fetch(t *testing.T, g *gate) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// An address that another workspace has now is still taken from the router before.
func TestGiven_TakesABoundSocketForAnotherWorkspace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		was, setting string // blank where the service manager opened it
		taken        bool
	}{
		"the same":                    {"workspace.alpha", "127.0.0.1:0", true},
		"another workspace":           {"workspace.beta", "127.0.0.1:0", true},
		"another address":             {"workspace.alpha", "127.0.0.1:1", false},
		"the manager's, of that name": {"workspace.alpha", "", true},
		"the manager's, of another":   {"workspace.beta", "", false},
		"the data listener's":         {socketData, "127.0.0.1:0", false},
	} {
		g := newGate(t)
		g.name, g.setting = test.was, test.setting
		all := given{g}
		if got := all.take("workspace.alpha", "127.0.0.1:0", g.Addr()); (got != nil) != test.taken {
			t.Errorf("%s: taken %v", name, got != nil)
		}
	}
}
