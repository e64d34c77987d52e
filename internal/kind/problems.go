package kind

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong with a profile.
type Problem struct {
	Source string // the file's name, as it was given
	Line   int    // from 1; 0 where no line is known
	Field  string // "routes[3].permission"; empty where the whole file is meant
	Text   string // what is wrong, and what is allowed
}

// String is "FILE:LINE: field: what is wrong, what is allowed".
func (p Problem) String() string {
	place := p.Source
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.Source, p.Line)
	}
	if p.Field == "" {
		return place + ": " + p.Text
	}
	return place + ": " + p.Field + ": " + p.Text
}

// Problems is the error of Decode: everything that was found wrong, in the order of the file.
type Problems []Problem

func (list Problems) Error() string {
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
