//go:build unix

package transport

import "syscall"

// quiet asks the kernel whether a socket is open with nothing to read. It does not wait.
func quiet(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return err == syscall.EAGAIN
		}
	}
}
