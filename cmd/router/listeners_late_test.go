package main

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// lateListener accepts as a call does that has looked at its deadline before that was set, and is only then scheduled.
type lateListener struct {
	*net.TCPListener
	entered chan struct{} // takes one for each call
	accept  chan struct{} // lets one go on
}

func (*lateListener) SetDeadline(time.Time) error { return nil }

func (l *lateListener) Accept() (net.Conn, error) {
	l.entered <- struct{}{}
	<-l.accept
	ours, theirs := net.Pipe()
	theirs.Close()
	return ours, nil
}

func TestGate_HoldWaitsForWhoIsAccepting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late := &lateListener{entered: make(chan struct{}), accept: make(chan struct{})}
		g := &gate{Listener: late, name: socketData}
		came := make(chan error)
		go func() {
			for range 2 {
				conn, err := g.Accept()
				came <- err
				conn.Close()
			}
		}()
		<-late.entered
		held := make(chan error, 1)
		go func() { held <- g.hold() }()
		synctest.Wait()
		select {
		case err := <-held:
			t.Fatalf("it holds (%v) although a connection is being accepted", err)
		default:
		}
		late.accept <- struct{}{}
		if err := <-came; err != nil {
			t.Error(err)
		}
		if err := <-held; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case <-late.entered:
			t.Error("somebody accepts while it is held")
		default:
		}
		if err := g.open(); err != nil {
			t.Error(err)
		}
		<-late.entered
		late.accept <- struct{}{}
		<-came
	})
}
