package workspace

import (
	"fmt"
	"io"
)

// Variable is one variable of a workspace's own environment: its value, or the file on the router's machine that holds
// it and is read with each launch. However it is printed or marshalled, the value is not; Reveal gives it.
type Variable struct {
	Name string
	File string // absolute; empty where the value is here

	value string
}

// NewVariable makes a variable with a value, which may be empty.
func NewVariable(name, value string) Variable { return Variable{Name: name, value: value} }

// VariableFromFile makes a variable whose value is what the file holds.
func VariableFromFile(name, path string) Variable { return Variable{Name: name, File: path} }

// Reveal gives the value, for the launch; it is empty where a file has it.
func (v Variable) Reveal() string { return v.value }

// Format writes the name, and the file or a mask, under every verb.
func (v Variable) Format(state fmt.State, _ rune) {
	if v.File != "" {
		_, _ = fmt.Fprintf(state, "%s from %q", v.Name, v.File)
		return
	}
	_, _ = io.WriteString(state, v.Name+"=********")
}
