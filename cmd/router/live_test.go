package main

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workspace-router/configs"
	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// poolKeys says which limit of the pool each key sets.
var poolKeys = map[string]func(limits *supervisor.Config, value int64){
	"max_workers":           func(l *supervisor.Config, v int64) { l.MaxWorkers = int(v) },
	"memory":                func(l *supervisor.Config, v int64) { l.Memory = v },
	"files":                 func(l *supervisor.Config, v int64) { l.Files = v },
	"tenant_max_workers":    func(l *supervisor.Config, v int64) { l.TenantMaxWorkers = int(v) },
	"tenant_max_streams":    func(l *supervisor.Config, v int64) { l.TenantMaxLeases = int(v) },
	"waiters_per_workspace": func(l *supervisor.Config, v int64) { l.WaitersPerWorkspace = int(v) },
	"waiters_total":         func(l *supervisor.Config, v int64) { l.WaitersTotal = int(v) },
	"wait":                  func(l *supervisor.Config, v int64) { l.Wait = time.Duration(v) },
	"patience":              func(l *supervisor.Config, v int64) { l.Patience = time.Duration(v) },
	"minimum_residency":     func(l *supervisor.Config, v int64) { l.MinResidency = time.Duration(v) },
	"start_concurrency":     func(l *supervisor.Config, v int64) { l.StartConcurrency = int(v) },
	"resume_at_once":        func(l *supervisor.Config, v int64) { l.ResumeAtOnce = int(v) },
	"idle_timeout":          func(l *supervisor.Config, v int64) { l.IdleTimeout = time.Duration(v) },
	"drain_timeout":         func(l *supervisor.Config, v int64) { l.DrainTimeout = time.Duration(v) },
}

// A key that is read, checked and documented, and then not handed on, would bound nothing and tell nobody.
func TestPoolConfig_EveryKeyReachesItsLimitAndNoOther(t *testing.T) {
	t.Parallel()
	const unlikely = 123457
	fields := reflect.TypeFor[configs.Pool]()
	for i := range fields.NumField() {
		key := fields.Field(i).Tag.Get("koanf")
		set := poolKeys[key]
		if set == nil {
			t.Errorf("pool.%s: nobody says which limit it sets", key)
			continue
		}
		config := configs.Defaults()
		want := poolConfig(&config, "n1")
		set(&want, unlikely)
		reflect.ValueOf(&config.Pool).Elem().Field(i).SetInt(unlikely)
		if diff := cmp.Diff(want, poolConfig(&config, "n1")); diff != "" {
			t.Errorf("pool.%s (-want +got):\n%s", key, diff)
		}
	}
}

// What a worker counts for until its kind is known is the most of each thing that any kind declares, be it of two kinds.
func TestPoolConfig_LargestCostIsOverAllKinds(t *testing.T) {
	t.Parallel()
	config := configs.Defaults()
	config.Profiles = map[string]*kind.Kind{
		"large":  {Cost: kind.Cost{Memory: 900, Files: 10}},
		"opener": {Cost: kind.Cost{Memory: 100, Files: 80}},
	}
	limits := poolConfig(&config, "n1")
	if want := (kind.Cost{Memory: 900, Files: 80}); limits.LargestCost != want || limits.Node != "n1" {
		t.Errorf("got %+v of node %q, want %+v of %q", limits.LargestCost, limits.Node, want, "n1")
	}
}
