package kind

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Leftovers says how a worker tells of work that the one before it left unfinished, and how it is told to go on with it.
// It is asked when it is ready and, where its kind has a word for being busy, idle: what it works on is not left over.
type Leftovers struct {
	Path        string   `yaml:"path"`        // of a GET
	Interrupted []string `yaml:"interrupted"` // RFC 6901; numbers, which are added up; one that is not there is 0
	Failed      []string `yaml:"failed"`      // the same, of work that was given up; taken up only by ResumeAll
	Resume      Call     `yaml:"resume"`      // what makes the worker go on, with what was interrupted and what failed
}

// Call is a request without a body that the router makes of its own accord.
type Call struct {
	Method string `yaml:"method"` // default POST
	Path   string `yaml:"path"`
}

// Resume says which leftovers a worker is told to go on with when it was started.
type Resume string

// The policies.
const (
	ResumeOff     Resume = "off"     // none: they are shown
	ResumePending Resume = "pending" // where work was interrupted
	ResumeAll     Resume = "all"     // also where nothing but failed work is left
)

// Resumes lists the policies.
func Resumes() []Resume { return []Resume{ResumeOff, ResumePending, ResumeAll} }

// Wants reports whether the policy has such leftovers taken up.
func (r Resume) Wants(interrupted, failed int) bool {
	switch r {
	case ResumePending:
		return interrupted > 0
	case ResumeAll:
		return interrupted > 0 || failed > 0
	case ResumeOff:
	}
	return false
}

// Resumable reports whether workers of the kind can be told to go on with what was left unfinished.
func (k *Kind) Resumable() bool { return k.Leftovers != nil && k.Leftovers.Resume.Path != "" }

// ReadCount adds up the numbers at the pointers of a decoded document. One that is not there is 0; anything but a whole
// number, 0 or more, is an error.
func ReadCount(document any, pointers []string) (total int, err error) {
	for _, pointer := range pointers {
		value, found := LookUp(document, pointer)
		if !found || value == nil {
			continue
		}
		number, is := value.(float64)
		if !is || number < 0 || number != float64(int(number)) {
			return 0, fmt.Errorf("%q is %v, want a whole number", pointer, value)
		}
		total += int(number)
	}
	return total, nil
}

func (v *validator) leftovers(l *Leftovers) {
	if l == nil {
		return
	}
	v.probePath(l.Path, "leftovers.path")
	if len(l.Interrupted) == 0 {
		v.at("leftovers.interrupted", "is missing, want at least one JSON pointer")
	}
	for i, pointer := range l.Interrupted {
		v.pointer(pointer, fmt.Sprintf("leftovers.interrupted[%d]", i))
	}
	for i, pointer := range l.Failed {
		v.pointer(pointer, fmt.Sprintf("leftovers.failed[%d]", i))
	}
	if l.Resume.Path == "" && !v.given("leftovers.resume") {
		return // they are shown only
	}
	v.probePath(l.Resume.Path, "leftovers.resume.path")
	if methods := []string{http.MethodPost, http.MethodPut}; !slices.Contains(methods, l.Resume.Method) {
		v.at("leftovers.resume.method", "got %q, want one of %s", l.Resume.Method, strings.Join(methods, ", "))
	}
}
