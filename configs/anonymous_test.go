package configs

import (
	"strings"
	"testing"
)

func TestLoad_KeepsAServerWithoutAKeyOpenOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		environ []string
		want    string
		refused bool
	}{
		"nothing":               {nil, "off", false},
		"another program's":     {[]string{"LLM_BINDING=openai"}, "off", false},
		"its directory":         {[]string{"WORKING_DIR=/srv/storage"}, "default_workspace", false},
		"its name":              {[]string{"WORKSPACE=astrid", "HOST=::1"}, "default_workspace", false},
		"the default's name":    {[]string{"LIGHTRAG_DEFAULT_WORKSPACE=astrid", "HOST=localhost"}, "default_workspace", false},
		"with a key":            {[]string{"WORKING_DIR=/srv/storage", "LIGHTRAG_API_KEY=k"}, "off", false},
		"with accounts":         {[]string{"WORKING_DIR=/srv/storage", "AUTH_ACCOUNTS=a:b"}, "off", false},
		"on every address":      {[]string{"WORKING_DIR=/srv/storage", "HOST=0.0.0.0"}, "", true},
		"a listener of its own": {[]string{"WORKING_DIR=/srv/storage", "ROUTER_BOUND_LISTENERS=192.0.2.1:9701=alpha"}, "", true},
		"there with a word":     {[]string{"WORKING_DIR=/srv/storage", "HOST=0.0.0.0", "ROUTER_ANONYMOUS=default_tenant"}, "default_tenant", false},
		"closed by a word":      {[]string{"WORKING_DIR=/srv/storage", "ROUTER_ANONYMOUS=off"}, "off", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, _, err := load(t, Source{Environ: tc.environ})
			if tc.refused {
				if err == nil || !strings.Contains(err.Error(), "ENV WORKING_DIR: anonymous: is needed") {
					t.Fatalf("got %v, want a refusal that names the setting", err)
				}
				return
			}
			if err != nil || config.Anonymous != tc.want {
				t.Errorf("got %q, %v, want %q", config.Anonymous, err, tc.want)
			}
		})
	}
}

func TestCheckAnonymous_IsForRoutersThatRun(t *testing.T) {
	t.Parallel()
	running := mustLoad(t, Source{Environ: []string{"WORKING_DIR=/srv/storage", "HOST=0.0.0.0", "LIGHTRAG_API_KEY=k"}})
	for name, test := range map[string]struct {
		environ []string
		refused bool
	}{
		"the key goes, the listener stays": {[]string{"WORKING_DIR=/srv/storage"}, true},
		"with a word":                      {[]string{"WORKING_DIR=/srv/storage", "ROUTER_ANONYMOUS=default_workspace"}, false},
		"another key":                      {[]string{"WORKING_DIR=/srv/storage", "LIGHTRAG_API_KEY=l"}, false},
	} {
		adopted := running.Adopt(mustLoad(t, Source{Environ: test.environ}))
		if err := adopted.CheckAnonymous(); (err != nil) != test.refused || err != nil && !strings.Contains(err.Error(), "anonymous: is needed") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnonymousReach_SaysWhoReachesWhat(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"off":                              "",
		"default_workspace":                "every user and program of this machine can read and change the default workspace",
		"default_tenant HOST=192.0.2.7":    "everybody who reaches 192.0.2.7:9621 can read and change every workspace of the default tenant",
		"default_workspace HOST=loCalhost": "every user and program of this machine can read and change the default workspace",
	} {
		config := mustLoad(t, Source{Environ: strings.Fields("ROUTER_ANONYMOUS=" + word)})
		if got := config.AnonymousReach(); got != want {
			t.Errorf("%s: got %q", word, got)
		}
	}
}
