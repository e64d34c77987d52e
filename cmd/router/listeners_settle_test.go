package main

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A server waits at its end for the connections that it was given. One that is on its way to it is waited for, too.
func TestListeners_SettleWaitsForWhatWasAccepted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ arrives, want time.Duration }{
		"it arrives":       {arrives: 95 * time.Millisecond, want: 100 * time.Millisecond},
		"it never arrives": {arrives: time.Hour, want: settlePatience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				late := &lateListener{entered: make(chan struct{}, 1), accept: make(chan struct{}, 1)}
				g := &gate{Listener: late, name: socketData}
				one := &listener{gate: g}
				l := &listeners{data: g, servers: []*listener{one}}
				late.accept <- struct{}{}
				conn, err := g.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				arrival := time.AfterFunc(tc.arrives, func() { one.count(http.StateNew) })
				defer arrival.Stop()
				began := time.Now()
				l.settle()
				if took := time.Since(began); took != tc.want {
					t.Errorf("it took %v, want %v", took, tc.want)
				}
			})
		})
	}
}
