package extract

import (
	"context"
	"errors"
	"io"
	"strings"
)

// readMarkdown finds headings, in both of their forms, and keeps everything else as it is written, so that a passage
// reads as its author wrote it. A fenced block of code is one paragraph, whatever it holds.
func readMarkdown(_ context.Context, in io.ReaderAt, size int64, _ Limits, sink Sink) error {
	m := markdown{paragraph: paragraph{sink: sink}}
	err := eachLine(in, size, m.line)
	return errors.Join(err, m.paragraph.flush())
}

type markdown struct {
	paragraph paragraph
	lines     int    // of the paragraph
	last      string // line of the paragraph
	fence     string // that is open
}

func (m *markdown) line(line string) error {
	trimmed := strings.TrimSpace(line)
	switch {
	case m.fence != "":
		if strings.HasPrefix(trimmed, m.fence) && strings.Trim(trimmed, m.fence[:1]) == "" {
			m.fence = ""
		}
	case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
		m.fence = trimmed[:3]
	case trimmed == "":
		return m.end()
	case headingLevel(trimmed) > 0:
		if err := m.end(); err != nil {
			return err
		}
		level := headingLevel(trimmed)
		return m.paragraph.sink(Block{Level: level, Text: headingText(trimmed, level)})
	case m.lines == 1 && underlineLevel(trimmed) > 0:
		m.paragraph.text.Reset()
		m.lines = 0
		return m.paragraph.sink(Block{Level: underlineLevel(trimmed), Text: m.last})
	}
	m.lines++
	m.last = trimmed
	return m.paragraph.add(line)
}

func (m *markdown) end() error {
	m.lines = 0
	return m.paragraph.flush()
}

// headingLevel is the number of # before a heading's text, 0 for another line.
func headingLevel(line string) int {
	level := len(line) - len(strings.TrimLeft(line, "#"))
	if level == 0 || level > 6 || level < len(line) && line[level] != ' ' && line[level] != '\t' {
		return 0
	}
	return level
}

func headingText(line string, level int) string {
	text := strings.TrimSpace(line[level:])
	if closing := strings.TrimRight(text, "#"); closing == "" || strings.HasSuffix(closing, " ") {
		return strings.TrimSpace(closing)
	}
	return text
}

// underlineLevel says which heading a line of = or - makes of the line above it, 0 for another line.
func underlineLevel(line string) int {
	switch {
	case len(line) >= 2 && strings.Trim(line, "=") == "":
		return 1
	case len(line) >= 2 && strings.Trim(line, "-") == "":
		return 2
	}
	return 0
}
