//go:build !linux

package proxy

import (
	"net"
	"time"
)

// limitUnread does nothing where the kernel has no such bound.
func limitUnread(net.Conn, time.Duration) {}
