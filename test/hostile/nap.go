package main

import (
	"syscall"
	"time"
	"unsafe"
)

// nap sleeps without the runtime, which a process that was forked beneath it no longer has.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
}
