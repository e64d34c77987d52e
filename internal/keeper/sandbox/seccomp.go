package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Places in what the kernel shows to a filter (struct seccomp_data), on little-endian machines.
const (
	seccompNumber = 0
	seccompArch   = 4
	seccompArg0   = 16
	seccompArg2   = 32
	// foreignCalls is the bit of x86-64's second table of system calls, which no ordinary program uses.
	foreignCalls = 0x40000000
)

// filter closes what leads around Landlock's rules for TCP: MPTCP, which they do not govern, and io_uring, which a filter
// does not see into. Without connections and without a port to bind to it leaves Unix sockets only, which ends UDP,
// too. Programs fall back where these are missing. Calls by another table than this
// architecture's do not exist.
func filter(p Policy, arch uint32) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atMost = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		give   = unix.BPF_RET | unix.BPF_K
	)
	refuse := func(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }
	list := []unix.SockFilter{
		{Code: load, K: seccompArch},
		{Code: equal, K: arch, Jt: 1},
		{Code: give, K: refuse(unix.ENOSYS)},
		{Code: load, K: seccompNumber},
		{Code: atMost, K: foreignCalls, Jf: 1},
		{Code: give, K: refuse(unix.ENOSYS)},
		{Code: equal, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: give, K: refuse(unix.ENOSYS)},
		{Code: equal, K: unix.SYS_SOCKET, Jt: 1},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
	}
	if !p.Connect && !p.AnyPort && len(p.Bind) == 0 {
		list = append(list,
			unix.SockFilter{Code: load, K: seccompArg0},
			unix.SockFilter{Code: equal, K: unix.AF_UNIX, Jt: 1},
			unix.SockFilter{Code: give, K: refuse(unix.EAFNOSUPPORT)})
	}
	return append(list,
		unix.SockFilter{Code: load, K: seccompArg2},
		unix.SockFilter{Code: equal, K: unix.IPPROTO_MPTCP, Jf: 1},
		unix.SockFilter{Code: give, K: refuse(unix.EPROTONOSUPPORT)},
		unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW})
}

// auditArch is the kernel's number for the architecture that this program was made for; 0 where the filter is not made
// for it.
func auditArch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	}
	return 0
}

// encodeFilter gives the policy's filter as the kernel takes it.
func encodeFilter(p Policy) ([]byte, error) {
	arch := auditArch()
	if arch == 0 {
		return nil, errors.New("not made for " + runtime.GOARCH)
	}
	var text []byte
	for _, step := range filter(p, arch) {
		text = binary.NativeEndian.AppendUint16(text, step.Code)
		text = append(text, step.Jt, step.Jf)
		text = binary.NativeEndian.AppendUint32(text, step.K)
	}
	return text, nil
}

// enterFilter puts the calling thread under a filter.
func enterFilter(text []byte) error {
	const size = int(unsafe.Sizeof(unix.SockFilter{}))
	list := make([]unix.SockFilter, len(text)/size) // aligned, as the bytes need not be
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&list[0])), len(list)*size), text)
	program := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]}
	_, _, errno := unix.Syscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(list)
	if errno != 0 {
		return fmt.Errorf("the kernel does not take it: %w", errno)
	}
	return nil
}
