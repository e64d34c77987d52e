package process

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"workspace-router/internal/keeper/proc"
)

// proveListener checks that the socket that listens on a loopback port is held by one of the launch's processes. An
// address that asks for no credential can be taken by any local user; the inode of the socket cannot.
func (w *worker) proveListener(port int) error {
	inodes, err := listeners(port)
	if err != nil {
		return err
	}
	if len(inodes) == 0 {
		return fmt.Errorf("%w: nobody listens on port %d any more", errNotReady, port)
	}
	held := map[string]bool{}
	launch := string(w.spec.Launch)
	census, err := proc.Take(proc.Scope{
		Data: w.driver.id, Roots: []proc.Root{{Launch: launch, ID: w.root()}}, Wanted: func(l string) bool { return l == launch },
	})
	if err != nil {
		return err
	}
	for _, stat := range census.Members[launch] {
		for _, inode := range sockets(stat.PID) {
			held[inode] = true
		}
	}
	for _, inode := range inodes { // each: with SO_REUSEPORT the kernel deals connections out among them
		if !held[inode] {
			return fmt.Errorf("%w %d", errAddressInUse, port)
		}
	}
	return nil
}

// lostPort reports whether another process listens on a port that the launch was given.
func (w *worker) lostPort() bool {
	return !w.apart() && slices.ContainsFunc(w.ports, func(port int) bool { return errors.Is(w.proveListener(port), errAddressInUse) })
}

// listeners gives the inodes of the sockets that listen where a connection to 127.0.0.1:port may end up.
func listeners(port int) ([]string, error) {
	var inodes []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		found, err := listenersIn(table, port)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot tell who listens on port %d: %w", port, err)
		}
		inodes = append(inodes, found...)
	}
	return inodes, nil
}

func listenersIn(table string, port int) (inodes []string, err error) {
	const listening = "0A"
	file, err := os.Open(table)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(file); ; {
		if !lines.Scan() {
			return inodes, lines.Err()
		}
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[3] == listening && strings.HasSuffix(fields[1], suffix) && reachable(fields[1]) {
			inodes = append(inodes, fields[9])
		}
	}
}

// reachable reports whether a socket with this local address takes connections to 127.0.0.1.
func reachable(address string) bool {
	switch host, _, _ := strings.Cut(address, ":"); host {
	case "0100007F", "00000000", // in the byte order of most machines
		"7F000001",
		"00000000000000000000000000000000",
		"0000000000000000FFFF00000100007F", "00000000000000000000FFFF7F000001":
		return true
	}
	return false
}

// sockets gives the inodes of the sockets that a process holds. Whoever left meanwhile holds none.
func sockets(pid int) (inodes []string) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		target, err := os.Readlink(dir + "/" + entry.Name())
		if err != nil {
			continue
		}
		if inode, found := strings.CutPrefix(target, "socket:["); found {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}
