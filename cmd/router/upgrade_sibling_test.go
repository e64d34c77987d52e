package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// A new router that systemd is to watch is its child, and this process learns of its end all the same.
func TestSuccessor_AsSibling(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &successor{command: exec.CommandContext(context.Background(), "/bin/sh", "-c", "echo $PPID"), pidfd: -1}
	s.command.Stdout = write
	s.asSibling()
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if _, err := out.ReadFrom(read); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		t.Errorf("wait: %v", err)
	}
	if want := fmt.Sprintln(os.Getppid()); out.String() != want {
		t.Errorf("its parent is %q, want this process's, %q", out.String(), want)
	}
}
