package kind

import (
	"fmt"
	"strings"
)

// Preload has a Python program forked from a process that has imported what it uses, instead of executed. The launches of
// one preloader share the memory of that, and their start is as much shorter. The program's own modules are never imported
// before the fork: they read their settings then.
type Preload struct {
	Mode string `yaml:"mode"` // off, auto: where a self-test on this machine finds no difference; on: without one. Default off
	// Own are the top-level packages of the program itself.
	Own []string `yaml:"own"`
	// Probe are modules of the program which, imported in a process that ends then, bring all others that it uses.
	Probe []string `yaml:"probe"`
	// Warm is called once before the first fork.
	Warm []Warm `yaml:"warm"`
	// Environment are the variables, as in Process.Allow, that a preloader is given beyond those of the interpreter and the
	// system's libraries. Launches with other values of them have another preloader, or none. They must not be secret.
	Environment []string `yaml:"environment"`
	// Ignore are variables that modules ask for when they are imported, and that may differ all the same; "*" is that all
	// are listed. A launch that has others that were asked for is executed.
	Ignore []string `yaml:"ignore"`
}

// Warm is a call before the first fork, of a function that fills something for all.
type Warm struct {
	Call  string   `yaml:"call"`  // a module and a function of it: tiktoken.get_encoding
	Args  []string `yaml:"args"`  // texts
	Given string   `yaml:"given"` // only where the operator has given this variable; empty is always
}

// The modes of Preload.
const (
	PreloadOff  = "off"
	PreloadAuto = "auto"
	PreloadOn   = "on"
)

func (v *validator) preload(k *Kind) {
	p := k.Preload
	v.oneOf(p.Mode, "preload.mode", PreloadOff, PreloadAuto, PreloadOn)
	for i, name := range p.Own {
		if !dotted(name) || strings.Contains(name, ".") {
			v.at(fmt.Sprintf("preload.own[%d]", i), "got %q, want a top-level package such as lightrag", name)
		}
	}
	for i, name := range p.Probe {
		if !dotted(name) {
			v.at(fmt.Sprintf("preload.probe[%d]", i), "got %q, want a module such as lightrag.api", name)
		}
	}
	for i, call := range p.Warm {
		field := fmt.Sprintf("preload.warm[%d]", i)
		if !dotted(call.Call) || !strings.Contains(call.Call, ".") {
			v.at(field+".call", "got %q, want a module and a function such as tiktoken.get_encoding", call.Call)
		}
		if call.Given != "" {
			v.environmentName(call.Given, field+".given")
		}
	}
	v.patterns(p.Environment, "preload.environment")
	for i, name := range p.Ignore {
		if name != "*" {
			v.environmentName(name, fmt.Sprintf("preload.ignore[%d]", i))
		}
	}
	if p.Mode == PreloadOff {
		return
	}
	if k.Isolation.Runtime != RuntimePython {
		v.at("preload.mode", "got %q, but isolation.runtime is not python: only such programs can be preloaded", p.Mode)
	}
	if len(p.Own) == 0 {
		v.at("preload.own", "is missing, want the program's own top-level packages, which must not be preloaded")
	}
	if len(p.Probe) == 0 {
		v.at("preload.probe", "is missing, want modules of the program by which the others are found")
	}
}

// dotted reports whether a text is a Python module's name.
func dotted(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		for i := range len(part) {
			c := part[i]
			letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}
