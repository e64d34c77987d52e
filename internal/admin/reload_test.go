package admin

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workspace-router/internal/problem"
)

func TestReload_TellsWhatChangedOrWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.reload = Reload{Changed: []ConfigChange{{Key: "pool.max_workers", Old: "50", New: "7", From: "router.yaml:3", Applies: "at once"}}}
	handler := newAdmin(t, w.deps()).Handler(Local, authenticator{})
	var got Reload
	if err := json.Unmarshal(ask(t, handler, "operator", "POST", "/api/v1/config/reload", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.reload, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}

	w.reloadErr = fmt.Errorf("%w:\nrouter.yaml:3: pool.max_workers: wrong", problem.ErrConfigInvalid)
	out := ask(t, handler, "operator", "POST", "/api/v1/config/reload", "")
	var answer struct{ Code, Detail string }
	if err := json.Unmarshal(out.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if out.Code != 422 || answer.Code != "config_invalid" || answer.Detail != w.reloadErr.Error() {
		t.Errorf("got %d %+v", out.Code, answer)
	}
}

func TestReload_IsNotOnThePublicSurface(t *testing.T) {
	t.Parallel()
	handler := newAdmin(t, newWorld().deps()).Handler(Public, authenticator{})
	if out := ask(t, handler, "admin", "POST", "/api/v1/config/reload", ""); out.Code != 404 {
		t.Errorf("got %d", out.Code)
	}
	deps := newWorld().deps()
	deps.Reload = nil
	if out := ask(t, newAdmin(t, deps).Handler(Local, authenticator{}), "admin", "POST", "/api/v1/config/reload", ""); out.Code != 404 {
		t.Errorf("without a configuration to reload: got %d", out.Code)
	}
}
