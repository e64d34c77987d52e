package process

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

const (
	// notifyVariable names the socket, as systemd has it. The router's own never reaches a worker.
	notifyVariable = "NOTIFY_SOCKET"
	notifyName     = "n"     // of the socket in the run directory: as short as that of the worker's own
	notifyMode     = 0o666   // the directory above lets nobody in but the worker's user
	notifyLimit    = 4 << 10 // bytes of one message
	statusWidth    = 256     // bytes kept of a status
	// notifyBurst is how many messages are read within notifyPace. Who sends more waits for the next: its own buffer is
	// full then, and the router's time is not its to spend.
	notifyBurst = 32
	notifyPace  = time.Second
)

// notifier listens to what a launch says of itself in the words of sd_notify. Nothing that it says is believed: READY=1
// is the time for the ready probe, which proves it, and the others are for people. Its goroutine ends with close.
type notifier struct {
	conn  *net.UnixConn
	ready chan struct{} // holds a token once the launch has said that it is ready

	closed    chan struct{}
	closeOnce sync.Once

	mu     sync.Mutex // guards what follows
	status string     // what the launch said last
	at     time.Time  // when that was passed on last
	warned bool       // that it wants more time than there is
}

func newNotifier(conn *net.UnixConn) *notifier {
	return &notifier{conn: conn, ready: make(chan struct{}, 1), closed: make(chan struct{})}
}

// notified gives the environment with this launch's own socket, or with none.
func notified(environment []string, socket string) []string {
	environment = slices.DeleteFunc(environment, func(variable string) bool { return strings.HasPrefix(variable, notifyVariable+"=") })
	if socket != "" {
		environment = append(environment, notifyVariable+"="+socket)
	}
	return environment
}

func (n *notifier) close() {
	if n != nil {
		n.closeOnce.Do(func() {
			close(n.closed)
			n.conn.Close()
		})
	}
}

// follow reads until close. Messages of processes that are not the launch's are passed over.
func (n *notifier) follow(w *worker) {
	text, control := make([]byte, notifyLimit), make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4))
	pace := time.NewTicker(notifyPace)
	defer pace.Stop()
	for left := notifyBurst; ; left-- {
		if left == 0 {
			select {
			case <-pace.C:
				left = notifyBurst
			case <-n.closed:
				return
			}
		}
		length, controlLength, _, _, err := n.conn.ReadMsgUnix(text, control)
		if err != nil {
			return // it is closed
		}
		select {
		case <-pace.C:
			left = notifyBurst
		default:
		}
		if pid := senderOf(control[:controlLength]); pid > 0 && w.owns(pid) {
			n.take(w, parseWord(text[:length]))
		}
	}
}

// senderOf gives the process that sent a message, and closes the files that came with it: sd_notify has calls that send
// some, and wait until the other side closes them.
func senderOf(control []byte) (pid int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for i := range messages {
		if files, err := unix.ParseUnixRights(&messages[i]); err == nil {
			for _, fd := range files {
				unix.Close(fd)
			}
		} else if sender, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			pid = int(sender.Pid)
		}
	}
	return pid
}

// word is what one message says.
type word struct {
	ready, stopping bool
	status          string
	extend          time.Duration
}

func parseWord(text []byte) (w word) {
	for line := range bytes.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		switch name {
		case "READY":
			w.ready = value == "1"
		case "STOPPING":
			w.stopping = value == "1"
		case "STATUS":
			w.status = printable(value)
		case "EXTEND_TIMEOUT_USEC":
			const most = 1 << 40 // microseconds: twelve days, beyond all that is meant
			if microseconds, err := strconv.ParseInt(value, 10, 64); err == nil && microseconds > 0 {
				w.extend = time.Duration(min(microseconds, most)) * time.Microsecond
			}
		}
	}
	return w
}

// printable cuts a status to what a line of a log or of a terminal may show.
func printable(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), statusWidth)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

func (n *notifier) take(w *worker, said word) {
	log := w.driver.log.With(zap.String("launch", string(w.spec.Launch)), zap.Stringer("workspace", w.spec.Ref))
	if said.ready {
		select {
		case n.ready <- struct{}{}:
		default:
		}
	}
	if said.status != "" && n.note(said.status) {
		log.Info("a worker says how it is", zap.String("status", said.status))
	}
	if said.stopping && !closed(w.exited) {
		log.Debug("a worker says that it stops")
	}
	// How long a start may take is the operator's to say: who waits for it was promised an end.
	if limit := w.spec.Kind.Ready.Timeout; said.extend > limit && !w.isReady() && n.warn() {
		log.Warn("a worker asks for more time than its start may take; raise the kind's ready_timeout if it needs it",
			zap.Duration("asked", said.extend), zap.Duration("ready_timeout", limit))
	}
}

// note keeps a status, and reports whether it is to be passed on: it is another than before, and the last is a while ago.
func (n *notifier) note(status string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.status == status {
		return false
	}
	n.status = status
	if now := time.Now(); now.Sub(n.at) >= notifyPace {
		n.at = now
		return true
	}
	return false
}

// warn reports whether it is the first time.
func (n *notifier) warn() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := !n.warned
	n.warned = true
	return first
}

// last is what the launch said last of how it is.
func (n *notifier) last() string {
	if n == nil {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// told gives a channel with a token once the launch has said that it is ready; it stays silent where it cannot say so.
func (n *notifier) told() <-chan struct{} {
	if n == nil {
		return nil
	}
	return n.ready
}
