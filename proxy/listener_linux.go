package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnread has the kernel cut the connection when the other side has acknowledged nothing of what was sent for so
// long, or has left no room for more. It costs nothing while data move, however slowly, which no deadline of writing
// could say.
func limitUnread(conn net.Conn, limit time.Duration) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // it is closed already
	}
	_ = raw.Control(func(descriptor uintptr) {
		// A kernel without it has the bound of its own retransmissions, a quarter of an hour, left.
		_ = unix.SetsockoptInt(int(descriptor), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	})
}
