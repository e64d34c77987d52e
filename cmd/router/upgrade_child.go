package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ownProgram is the path by which this router was called, so that a program or a link that is put in its place is found,
// and where that does not lead here, the path of the file that runs.
func ownProgram() (string, error) {
	running, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find the router's own program: %w", err)
	}
	called, err := exec.LookPath(os.Args[0])
	if err == nil {
		called, err = filepath.Abs(called)
	}
	if err != nil {
		return running, nil
	}
	one, err1 := os.Stat(called)
	other, err2 := os.Stat(running)
	if err1 != nil || err2 != nil || !os.SameFile(one, other) {
		return running, nil
	}
	return called, nil
}

// successor is the router that was started to follow this one.
type successor struct {
	command *exec.Cmd
	words   *os.File    // what it says
	said    chan string // the words of it that are no failure
	ahead   *os.File    // on which it is told to go ahead
	ended   chan struct{}
	pidfd   int   // of a sibling, which this process cannot wait for; else -1
	status  error // why it ended; valid once ended is closed
}

// startSuccessor starts the program with this router's own arguments, environment and working directory, and hands it
// the sockets and the lock. Output and log go where this router's go.
func startSuccessor(program string, l *listeners, lock *os.File) (_ *successor, err error) {
	var files []*os.File // for the new one
	defer func() {
		for _, file := range files {
			file.Close()
		}
	}()
	sibling := watchedBySystemd()
	e := estate{PID: os.Getpid(), Sibling: sibling}
	for _, g := range l.all() {
		file, err := g.file()
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		e.Sockets = append(e.Sockets, socket{Name: g.name, Setting: g.setting})
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("cannot write what is handed over: %w", err)
	}
	theirAhead, ourAhead, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	files = append(files, theirAhead)
	ourWords, theirWords, err := os.Pipe()
	if err != nil {
		ourAhead.Close()
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	files = append(files, theirWords)

	// Not the context of anything here: it lives on when this router is gone.
	command := exec.CommandContext(context.Background(), program, os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Env = append(os.Environ(), variableUpgrade+"="+string(text))
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	sockets := len(e.Sockets)
	command.ExtraFiles = append(append([]*os.File{}, files[:sockets]...), lock, theirAhead, theirWords)
	s := &successor{command: command, words: ourWords, ahead: ourAhead, said: make(chan string, 2), ended: make(chan struct{}), pidfd: -1}
	if sibling {
		s.asSibling()
	}
	if err := command.Start(); err != nil {
		ourAhead.Close()
		ourWords.Close()
		return nil, fmt.Errorf("cannot start %q: %w", program, err)
	}
	go s.attend()
	return s, nil
}

func (s *successor) pid() int { return s.command.Process.Pid }

// attend passes on what the new one says, and reaps it.
func (s *successor) attend() {
	defer close(s.ended)
	var failure error
	lines := bufio.NewScanner(s.words)
	for lines.Scan() {
		cause, failed := strings.CutPrefix(lines.Text(), wordFailed)
		var text string
		switch {
		case !failed:
			select {
			case s.said <- lines.Text():
			default: // it says more than it has to
			}
		case json.Unmarshal([]byte(cause), &text) == nil:
			failure = errors.New(text)
		}
	}
	err := s.wait()
	switch {
	case failure != nil:
		s.status = failure
	case err != nil:
		s.status = fmt.Errorf("it ended: %w", err)
	default:
		s.status = errors.New("it ended by itself")
	}
}

// await returns when the new one says the word, and with an error when it says another, ends, or ctx does.
func (s *successor) await(ctx context.Context, word string) error {
	select {
	case said := <-s.said:
		if said != word {
			return fmt.Errorf("it said %q, want %q", said, word)
		}
		return nil
	case <-s.ended:
		return s.status
	case <-ctx.Done():
	}
	select {
	case <-s.ended: // which says more
		return s.status
	default:
		return fmt.Errorf("it has not said %q: %w", word, context.Cause(ctx))
	}
}

// proceed lets the new one go ahead.
func (s *successor) proceed() error {
	if _, err := s.ahead.WriteString(wordGo); err != nil {
		return fmt.Errorf("cannot tell it to go ahead: %w", err)
	}
	return nil
}

// kill ends the new one and returns when it is gone.
func (s *successor) kill() {
	_ = s.command.Process.Kill() // it may have ended by itself
	<-s.ended
	s.close()
}

// close forgets the new one.
func (s *successor) close() {
	s.ahead.Close()
	s.words.Close()
}
