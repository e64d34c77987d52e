package main

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memorySegment attaches the System V shared memory that another process has made under a key.
func memorySegment(key string) error {
	number, err := strconv.Atoi(key)
	if err != nil {
		return err
	}
	id, err := unix.SysvShmGet(number, 1, 0)
	if err != nil {
		return err
	}
	memory, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		return err
	}
	return unix.SysvShmDetach(memory)
}

// messageQueue opens a POSIX message queue that another process has made; its name is without the slash.
func messageQueue(name string) error {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(text)), unix.O_RDWR, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}
