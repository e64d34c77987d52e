package main

import (
	"bytes"
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
	stuck bool // it could not be rotated
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

// append writes whole lines; the file is rotated before the line that would make it larger than the limit.
func (l *logFile) append(text []byte) error {
	for len(text) > 0 {
		part := l.fitting(text)
		if len(part) == 0 {
			l.rotate()
			continue
		}
		n, err := l.file.Write(part)
		l.size += int64(n)
		if err != nil {
			return err
		}
		text = text[len(part):]
	}
	return nil
}

// fitting gives the lines that the file still takes. An empty file takes any line, and one that could not be rotated
// takes everything.
func (l *logFile) fitting(text []byte) []byte {
	room := l.limit - l.size
	if int64(len(text)) <= room || l.stuck {
		return text
	}
	if end := bytes.LastIndexByte(text[:max(0, room)], '\n'); end >= 0 {
		return text[:end+1]
	}
	if l.size > 0 {
		return nil
	}
	return text[:bytes.IndexByte(text, '\n')+1]
}

// rotate moves the files on by one. If that fails the log goes on growing, which is better than losing it.
func (l *logFile) rotate() {
	_ = os.Rename(l.path+".1", l.path+".2") // there may be none
	if os.Rename(l.path, l.path+".1") != nil {
		l.stuck = true
		return
	}
	old := l.file
	if l.open() != nil {
		l.file, l.stuck = old, true
		return
	}
	old.Close()
}

func (l *logFile) close() { l.file.Close() }
