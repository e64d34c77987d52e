package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"workspace-router/bench/measure"
)

// bench is where the measurements are made.
type bench struct {
	options

	dir   string
	model []string // settings by which LightRAG finds the model
}

// router runs one over a data directory of the bench, with so many places.
func (b *bench) router(ctx context.Context, name string, places int) (*routed, error) {
	environ := append([]string{
		"ROUTER_KIND_LIGHTRAG_PROGRAM=" + b.server, "ROUTER_POOL_WAIT=5m", "ROUTER_KIND_LIGHTRAG_READY_TIMEOUT=5m",
		"ROUTER_KIND_LIGHTRAG_RESUME=pending", "ROUTER_POOL_MAX_WORKERS=" + strconv.Itoa(places),
	}, b.model...)
	r, err := measure.Serve(ctx, b.programs, filepath.Join(b.dir, name), environ...)
	if err != nil {
		return nil, err
	}
	return &routed{r}, nil
}

// routed is a running router over LightRAG.
type routed struct{ *measure.Router }

// workspace is the i-th one, as a client sees it.
func (r *routed) workspace(i int) server {
	return server{base: r.Data + "/w/" + workspaceName(i), key: r.Key, client: r.Client}
}

// pids gives the processes of the live workers, by workspace.
func (r *routed) pids(ctx context.Context) (map[string]int, error) {
	body, err := r.Get(ctx, r.Data+"/api/v1/workers")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Workspace string `json:"workspace"`
		PID       int    `json:"pid"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("cannot read the list of workers: %w", err)
	}
	pids := map[string]int{}
	for _, w := range list {
		pids[w.Workspace] = w.PID
	}
	return pids, nil
}

// worker is the worker of the i-th workspace itself, without the router. Its user may read its port and key.
func (r *routed) worker(ctx context.Context, i int) (server, error) {
	pids, err := r.pids(ctx)
	if err != nil {
		return server{}, err
	}
	pid := pids[workspaceName(i)]
	port, errPort := measure.Environment(pid, "PORT")
	key, errKey := measure.Environment(pid, "LIGHTRAG_API_KEY")
	return server{base: "http://127.0.0.1:" + port, key: key, client: &http.Client{Transport: &http.Transport{}}}, errors.Join(errPort, errKey)
}

// begun counts the starts of workers that came to be ready.
func (r *routed) begun(ctx context.Context) (int, error) {
	body, err := r.Get(ctx, r.Operator+"/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if count, found := strings.CutPrefix(line, `workspace_router_worker_starts_total{cause="",outcome="ready"} `); found {
			n, err := strconv.Atoi(strings.TrimSpace(count))
			if err != nil {
				return 0, fmt.Errorf("cannot read %q: %w", line, err)
			}
			return n, nil
		}
	}
	return 0, nil
}
