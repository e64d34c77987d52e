package main

import (
	"io"
	"os"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal reports whether what is written to w is shown by a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// plainWriter writes text of others to a terminal so that none of it takes effect there: control characters, but for the
// tab and the end of a line, and bytes that are no UTF-8 come out as U+FFFD.
type plainWriter struct {
	w    io.Writer
	rest []byte // the beginning of a character whose other bytes have not come yet
}

// Write takes all of p, of which the last up to three bytes may wait for those that follow.
func (p *plainWriter) Write(text []byte) (int, error) {
	pending := append(p.rest, text...)
	plain := make([]byte, 0, len(pending))
	for len(pending) > 0 && utf8.FullRune(pending) {
		r, size := utf8.DecodeRune(pending)
		plain, pending = utf8.AppendRune(plain, visible(r)), pending[size:]
	}
	p.rest = append([]byte(nil), pending...)
	if _, err := p.w.Write(plain); err != nil {
		return 0, err
	}
	return len(text), nil
}

// end writes what waits for bytes that never came.
func (p *plainWriter) end() error {
	if len(p.rest) == 0 {
		return nil
	}
	p.rest = nil
	_, err := io.WriteString(p.w, string(utf8.RuneError))
	return err
}

func visible(r rune) rune {
	if unicode.IsControl(r) && r != '\t' && r != '\n' { // C0, DEL and C1
		return utf8.RuneError
	}
	return r
}
