package transport

import (
	"bytes"
	"net/http"
	"strings"
)

// maxLines bounds how many header lines an answer may have.
const maxLines = 1000

// protocol is what every answer begins with.
const protocol = "HTTP/1."

// prefixed judges the first bytes of an answer that has no line yet.
func prefixed(start []byte) error {
	if n := min(len(start), len(protocol)); string(start[:n]) != protocol[:n] {
		return refusedf("it is not HTTP/1.1: it begins with %.16q", start)
	}
	return nil
}

// checkStatusLine judges "HTTP/1.1 200 OK".
func checkStatusLine(line []byte) error {
	if err := prefixed(line); err != nil {
		return err
	}
	const least = len("HTTP/1.1 200")
	ok := len(line) >= least && (line[7] == '0' || line[7] == '1') && line[8] == ' ' && (len(line) == least || line[least] == ' ')
	for _, c := range line[min(9, len(line)):min(least, len(line))] {
		ok = ok && '0' <= c && c <= '9'
	}
	if !ok || line[9] == '0' {
		return refusedf("its status line is %.40q", line)
	}
	for _, c := range line[least:] {
		if !isText[c] {
			return refusedf("its status line has the character %q", c)
		}
	}
	return nil
}

// readHead reads one head into the response: status line and headers.
func (x *exchange) readHead() error {
	block, lines, err := x.in.block(x.t.headBytes, checkStatusLine)
	if err != nil {
		return err
	}
	end := bytes.IndexByte(block, '\n') + 1
	if err := canonicalize(block[end:], lines-1); err != nil {
		return err
	}
	text := string(block) // everything below is a part of it
	response := &x.response
	response.Proto, response.ProtoMajor, response.ProtoMinor = text[:8], 1, int(text[7]-'0')
	response.Status = strings.TrimLeft(text[9:end-2], " ")
	response.StatusCode = int(text[9]-'0')*100 + int(text[10]-'0')*10 + int(text[11]-'0')
	response.Header = make(http.Header, lines-1)
	fillHeader(response.Header, text[end:], lines-1)
	return nil
}

// canonicalize judges header lines and writes their names as net/http does.
func canonicalize(block []byte, lines int) error {
	if lines > maxLines {
		return refusedf("it has %d header lines, more than %d", lines, maxLines)
	}
	for len(block) > 0 {
		end := bytes.IndexByte(block, '\n')
		if err := canonicalizeLine(block[:end-1]); err != nil {
			return err
		}
		block = block[end+1:]
	}
	return nil
}

func canonicalizeLine(line []byte) error {
	upper := true
	for i, c := range line {
		switch {
		case c == ':' && i > 0:
			for _, c := range line[i+1:] {
				if !isText[c] {
					return refusedf("the header %.40q has the character %q", line[:i], c)
				}
			}
			return nil
		case !isToken[c]:
			return refusedf("it has the header line %.40q", line)
		case upper && 'a' <= c && c <= 'z':
			line[i] = c - ('a' - 'A')
		case !upper && 'A' <= c && c <= 'Z':
			line[i] = c + ('a' - 'A')
		}
		upper = c == '-'
	}
	return refusedf("it has the header line %.40q", line)
}

// fillHeader takes judged lines apart.
func fillHeader(header http.Header, text string, lines int) {
	values := make([]string, lines) // one each, for all of them
	for len(text) > 0 {
		end := strings.IndexByte(text, '\n')
		colon := strings.IndexByte(text, ':')
		name, value := text[:colon], trim(text[colon+1:end-1])
		text = text[end+1:]
		if before := header[name]; before != nil {
			header[name] = append(before, value)
			continue
		}
		values[0] = value
		header[name] = values[:1:1]
		values = values[1:]
	}
}

// trim removes white space as HTTP has it from both ends.
func trim(s string) string { return strings.Trim(s, " \t") }

// isToken are the characters of names and methods; isText those of values.
var isToken, isText = tokenTable(), textTable()

func tokenTable() (table [256]bool) {
	for c := range table {
		table[c] = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
			c < 128 && strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
	}
	return table
}

func textTable() (table [256]bool) {
	for c := range table {
		table[c] = c >= ' ' && c != 0x7f || c == '\t'
	}
	return table
}
