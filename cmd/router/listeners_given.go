package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The names of the sockets, in FileDescriptorName= of a unit and between two routers.
const (
	socketData     = "http"
	socketOperator = "operator"
	socketLocal    = "local"
	socketProjects = "projects"
	socketBound    = "workspace." // and the workspace's name
)

// The variables by which a service manager says what sockets it opened, as sd_listen_fds(3) has it.
const (
	variableListenPID   = "LISTEN_PID"
	variableListenFDs   = "LISTEN_FDS"
	variableListenNames = "LISTEN_FDNAMES"
)

// firstGiven is the first descriptor that is passed on, after standard input, output and error.
const firstGiven = 3

// given are the listening sockets that this process was started with.
type given []*gate

// givenByManager is what systemd, or another that keeps to its protocol, passed to this process. The variables are taken out of
// the environment: they are nobody else's affair.
func givenByManager() (given, error) {
	variables := map[string]string{}
	for _, name := range []string{variableListenPID, variableListenFDs, variableListenNames} {
		variables[name] = os.Getenv(name)
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("cannot take %s out of the environment: %w", name, err)
		}
	}
	names, err := managersNames(variables, os.Getpid())
	if err != nil {
		return nil, err
	}
	var list given
	for i, name := range names {
		g, err := openGiven(firstGiven+i, name)
		if err != nil {
			list.close()
			return nil, err
		}
		g.bequeath() // the manager made its name, and keeps it
		list = append(list, g)
	}
	return list, nil
}

// managersNames gives the name of each descriptor, or nil where they are not for this process.
func managersNames(variables map[string]string, pid int) ([]string, error) {
	if variables[variableListenPID] != strconv.Itoa(pid) {
		return nil, nil
	}
	count, err := strconv.Atoi(variables[variableListenFDs])
	if err != nil || count < 0 {
		return nil, fmt.Errorf("cannot use the sockets of the service manager: %s is %q, want a number", variableListenFDs, variables[variableListenFDs])
	}
	names := make([]string, count)
	if text := variables[variableListenNames]; text != "" {
		listed := strings.Split(text, ":")
		if len(listed) != count {
			return nil, fmt.Errorf("cannot use the sockets of the service manager: %s has %d names, want %d", variableListenNames, len(listed), count)
		}
		copy(names, listed)
	}
	return names, nil
}

// openGiven makes a listener of a descriptor, and closes that.
func openGiven(descriptor int, name string) (*gate, error) {
	file := os.NewFile(uintptr(descriptor), name)
	defer file.Close()
	listens, err := unix.GetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && listens == 0 {
		err = errors.New("it does not listen")
	}
	var listener net.Listener
	if err == nil {
		listener, err = net.FileListener(file)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the socket %q, descriptor %d, that this process was given: %w", name, descriptor, err)
	}
	if _, fits := listener.(deadliner); !fits {
		listener.Close()
		return nil, fmt.Errorf("cannot use the socket %q, descriptor %d, that this process was given: its type is unknown", name, descriptor)
	}
	return &gate{Listener: listener, name: name}, nil
}

// take removes the socket that is meant for the purpose: by its name, or where that says nothing by its address. A socket
// of the router before is taken only if it was bound for the same setting. It is nil where there is none.
func (l *given) take(name, setting string, address net.Addr) *gate {
	for i, g := range *l {
		// An address that was one workspace's may be another's now.
		rebound := g.setting != "" && strings.HasPrefix(g.name, socketBound) && strings.HasPrefix(name, socketBound)
		byName := (g.name == name || rebound) && (g.setting == "" || g.setting == setting)
		byAddress := !isSocketName(g.name) && sameAddress(g.Addr(), address)
		if byName || byAddress {
			*l = append((*l)[:i:i], (*l)[i+1:]...)
			g.name = name
			return g
		}
	}
	return nil
}

func isSocketName(name string) bool {
	return name == socketData || name == socketOperator || name == socketLocal || name == socketProjects || strings.HasPrefix(name, socketBound)
}

// sameAddress compares two addresses; all unspecified ones are the same.
func sameAddress(a, b net.Addr) bool {
	one, isTCP := a.(*net.TCPAddr)
	other, wantTCP := b.(*net.TCPAddr)
	if !isTCP || !wantTCP {
		return !isTCP && !wantTCP && a.String() == b.String()
	}
	unspecified := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
	return one.Port == other.Port && (one.IP.Equal(other.IP) || unspecified(one.IP) && unspecified(other.IP))
}

// left says what was not taken although the service manager opened it: clients would wait there for ever.
func (l given) left() error {
	for _, g := range l {
		if g.setting == "" {
			return fmt.Errorf("cannot use the socket %q at %s that the service manager passed: want the name %q, %q, %q, %q or %q and a workspace of bound_listeners, or the address of one of them",
				g.name, g.Addr(), socketData, socketOperator, socketLocal, socketProjects, socketBound)
		}
	}
	return nil
}

func (l given) close() {
	for _, g := range l {
		g.Close()
	}
}
