package main

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// notify sends what HOSTILE_NOTIFY holds to NOTIFY_SOCKET, one message per part between semicolons, and with
// HOSTILE_NOTIFY_FLOOD the last of them without end.
func notify() {
	messages := os.Getenv("HOSTILE_NOTIFY")
	if messages == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: os.Getenv("NOTIFY_SOCKET")})
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile: cannot notify:", err)
		return
	}
	last := ""
	for last = range strings.SplitSeq(messages, ";") {
		fmt.Fprint(conn, last)
	}
	if os.Getenv("HOSTILE_NOTIFY_FLOOD") == "" {
		conn.Close()
		return
	}
	go func() {
		for n := 0; err == nil; n++ {
			_, err = fmt.Fprintf(conn, "%s%d", last, n)
		}
	}()
}
