package extract

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxLine bounds one line of text; a longer one is cut into lines of this size.
const maxLine = 32 << 10

// readPlain takes blank lines for the ends of paragraphs.
func readPlain(_ context.Context, in io.ReaderAt, size int64, _ Limits, sink Sink) error {
	p := paragraph{sink: sink}
	err := eachLine(in, size, func(line string) error {
		if strings.TrimSpace(line) == "" {
			return p.flush()
		}
		return p.add(line)
	})
	return errors.Join(err, p.flush())
}

// paragraph gathers lines until it is flushed, or full.
type paragraph struct {
	text strings.Builder
	sink Sink
}

func (p *paragraph) add(line string) error {
	if p.text.Len()+len(line) > maxLine {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.text.WriteString(line)
	p.text.WriteByte('\n')
	return nil
}

func (p *paragraph) flush() error {
	if p.text.Len() == 0 {
		return nil
	}
	text := p.text.String()
	p.text.Reset()
	return p.sink(Block{Text: text})
}

// eachLine decodes UTF-8, or UTF-16 with a byte order mark, and calls f with each line, without its end.
func eachLine(in io.ReaderAt, size int64, f func(string) error) error {
	text, err := decoded(io.NewSectionReader(in, 0, size))
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(text)
	lines.Buffer(make([]byte, 0, 4096), 2*maxLine)
	lines.Split(splitLine)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
			return fmt.Errorf("line %d is not UTF-8 text", number)
		}
		if err := f(line); err != nil {
			return err
		}
	}
	return lines.Err()
}

// splitLine is a bufio.SplitFunc: lines of any length, the overlong ones cut between characters.
func splitLine(data []byte, atEOF bool) (int, []byte, error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 && end <= maxLine {
		return end + 1, bytes.TrimSuffix(data[:end], []byte("\r")), nil
	}
	if len(data) > maxLine {
		end := maxLine
		for end > maxLine-utf8.UTFMax && !utf8.RuneStart(data[end]) {
			end--
		}
		return end, data[:end], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// decoded reads r as UTF-8, whatever byte order mark it begins with.
func decoded(r io.Reader) (io.Reader, error) {
	text := bufio.NewReader(r)
	mark, err := text.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(mark, []byte("\xEF\xBB\xBF")):
		_, err = text.Discard(3)
		return text, err
	case bytes.HasPrefix(mark, []byte("\xFF\xFE")), bytes.HasPrefix(mark, []byte("\xFE\xFF")):
		return utf16Text(text)
	}
	return text, nil
}

func utf16Text(r io.Reader) (io.Reader, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if len(raw)%2 != 0 {
		return nil, errors.New("it begins like UTF-16 and has an odd number of bytes")
	}
	high, low := 1, 0
	if raw[0] == 0xFE {
		high, low = 0, 1
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 2; i < len(raw); i += 2 {
		units = append(units, uint16(raw[i+high])<<8|uint16(raw[i+low]))
	}
	return strings.NewReader(string(utf16.Decode(units))), nil
}
