package transport

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
)

// switchProtocols hands the connection over to the caller, who asked for another protocol. The request's context has no
// power over it any more.
func (x *exchange) switchProtocols() error {
	if !x.upgrades {
		return refusedf("it changes to the protocol %.40q, which nobody asked for", x.response.Header["Upgrade"])
	}
	if x.upload != nil {
		return refusedf("it changes the protocol of a request with a body")
	}
	if !x.unwatch() {
		return context.Cause(x.ctx)
	}
	x.response.Request = x.request
	x.response.ContentLength = 0
	x.response.Body = &upgraded{Conn: x.conn.Conn, begun: slices.Clone(x.in.unused())}
	x.in.release()
	x.out.release()
	return nil
}

// upgraded is a connection that speaks another protocol.
type upgraded struct {
	net.Conn
	begun []byte // what came behind the head
}

// Read gives what the worker sends.
func (u *upgraded) Read(p []byte) (int, error) {
	if len(u.begun) == 0 {
		return u.Conn.Read(p)
	}
	n := copy(p, u.begun)
	u.begun = u.begun[n:]
	return n, nil
}

// CloseWrite tells the worker that nothing more will come.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return fmt.Errorf("cannot close one direction: %w", http.ErrNotSupported)
}
