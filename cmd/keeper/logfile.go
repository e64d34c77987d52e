package main

import (
	"fmt"
	"os"

	"workspace-router/internal/keeper"
)

// logFile is a workspace's log on disk: PATH, and the two before it as PATH.1 and PATH.2.
type logFile struct {
	path  string
	limit int64
	file  *os.File
	size  int64
}

func openLogFile(spec keeper.LogFile) (*logFile, error) {
	l := &logFile{path: spec.Path, limit: spec.Limit}
	return l, l.open()
}

func (l *logFile) open() error {
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fmt.Errorf("cannot open the log: %w", err)
	}
	l.file, l.size = file, info.Size()
	return nil
}

// append writes whole lines; the file is rotated before the one that would make it larger than the limit.
func (l *logFile) append(text []byte) error {
	if l.size > 0 && l.size+int64(len(text)) > l.limit {
		l.rotate()
	}
	n, err := l.file.Write(text)
	l.size += int64(n)
	return err
}

// rotate moves the files on by one. If that fails the log goes on growing, which is better than losing it.
func (l *logFile) rotate() {
	_ = os.Rename(l.path+".1", l.path+".2") // there may be none
	if os.Rename(l.path, l.path+".1") != nil {
		return
	}
	old := l.file
	if l.open() != nil {
		l.file = old
		return
	}
	old.Close()
}

func (l *logFile) close() { l.file.Close() }
