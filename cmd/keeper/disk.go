package main

import (
	"fmt"
	"os"

	"workspace-router/internal/keeper"
)

// storage is what the keeper asks of the file system and of the kernel's tables of files. Tests have another one, which
// fails.
type storage interface {
	lock(path string) (*keeper.FileLock, error)
	place(path string, text []byte) error // puts a file there whole, or not at all
	pipe() (read, write *os.File, err error)
	openLog(spec keeper.LogFile) (*logFile, error)
	clear(dir string) error // removes a run directory
}

// disk is the real storage.
type disk struct{}

func (disk) lock(path string) (*keeper.FileLock, error) { return keeper.Lock(path) }

// place does not sync: what the keeper writes does not outlive the machine's end in meaning either.
func (disk) place(path string, text []byte) error {
	temporary := path + ".new"
	err := os.WriteFile(temporary, text, 0o600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}

func (disk) pipe() (read, write *os.File, err error) {
	if read, write, err = os.Pipe(); err != nil {
		err = fmt.Errorf("cannot make a pipe: %w", err)
	}
	return read, write, err
}

func (disk) openLog(spec keeper.LogFile) (*logFile, error) { return openLogFile(spec) }

func (disk) clear(dir string) error { return keeper.RemoveAll(dir) }
