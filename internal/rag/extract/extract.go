// Package extract turns a document's bytes into blocks of text: headings and paragraphs, with page numbers where the
// format has pages. It reads PDF, DOCX, HTML, Markdown and plain text, within bounds, and never writes. Its readers are
// fed with files from anywhere, so Isolated runs them in a process of their own; it starts no other goroutine than the
// one that this needs.
package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Block is a piece of text that belongs together.
type Block struct {
	Level int    `json:"level,omitempty"` // of a heading, 1 to 6; 0 is a paragraph
	Page  int    `json:"page,omitempty"`  // from 1; 0 where the format has no pages
	Text  string `json:"text"`            // valid UTF-8, never blank
}

// Sink takes the blocks in reading order. An error from it ends the extraction.
type Sink func(Block) error

// Limits bound what one document may cost.
type Limits struct {
	Text  int64 // bytes of extracted text
	Inner int64 // bytes of any one unpacked part of a container
	Pages int
}

// DefaultLimits are generous for real documents.
func DefaultLimits() Limits {
	return Limits{Text: 64 << 20, Inner: 256 << 20, Pages: 20_000}
}

var (
	// ErrUnsupported means that no reader knows the file's type.
	ErrUnsupported = errors.New("unsupported file type")
	// ErrNoText means that the document was read and holds no text.
	ErrNoText = errors.New("it holds no text")
	// ErrTooLarge means that a limit was reached.
	ErrTooLarge = errors.New("it is too large")
)

type reader func(ctx context.Context, in io.ReaderAt, size int64, limits Limits, sink Sink) error

var readers = map[string]reader{
	".pdf": readPDF, ".docx": readDOCX,

	".html": readHTML, ".htm": readHTML, ".xhtml": readHTML,
	".md": readMarkdown, ".markdown": readMarkdown, ".mdx": readMarkdown,
}

// plainTypes are read as text, line by line, whatever they mean.
var plainTypes = []string{
	".txt", ".text", ".rst", ".tex", ".log", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".toml", ".conf", ".ini", ".properties",
	".sql", ".sh", ".bat", ".c", ".h", ".cpp", ".py", ".java", ".js", ".ts", ".swift", ".go", ".rs", ".rb", ".php", ".css", ".scss", ".less",
}

// Types are the supported file name extensions, sorted, each with its dot.
func Types() []string {
	types := slices.Clone(plainTypes)
	for t := range readers {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// Supported says whether a file of this name can be read.
func Supported(name string) bool { return readerFor(name) != nil }

func readerFor(name string) reader {
	extension := strings.ToLower(filepath.Ext(name))
	if r, ok := readers[extension]; ok {
		return r
	}
	if slices.Contains(plainTypes, extension) {
		return readPlain
	}
	return nil
}

// needsIsolation says whether a file of this name is read by a parser of some complexity.
func needsIsolation(name string) bool {
	_, structured := readers[strings.ToLower(filepath.Ext(name))]
	return structured
}

// File reads a document in this process. name says its type. Errors: ErrUnsupported, ErrNoText, ErrTooLarge, the sink's
// own, the context's, or what is wrong with the file.
func File(ctx context.Context, name string, in io.ReaderAt, size int64, limits Limits, sink Sink) (err error) {
	read := readerFor(name)
	if read == nil {
		return fmt.Errorf("cannot read %q: %w", name, ErrUnsupported)
	}
	defer func() {
		// The PDF library tells of damage by panicking, from many places.
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot read %q: the file is damaged: %v", name, p)
		}
	}()
	bounded := &bound{ctx: ctx, left: limits.Text, sink: sink}
	if err := read(ctx, in, size, limits, bounded.add); err != nil {
		return fmt.Errorf("cannot read %q: %w", name, err)
	}
	if bounded.blocks == 0 {
		return fmt.Errorf("cannot read %q: %w", name, ErrNoText)
	}
	return nil
}

// Text reads a text that came without a file. It is taken for Markdown, which plain prose is too.
func Text(ctx context.Context, content string, limits Limits, sink Sink) error {
	return File(ctx, "text.md", strings.NewReader(content), int64(len(content)), limits, sink)
}

// bound cleans blocks and counts them against the limit before they reach the sink.
type bound struct {
	ctx    context.Context // of the one call of File that made it
	left   int64
	blocks int
	sink   Sink
}

func (b *bound) add(block Block) error {
	if err := b.ctx.Err(); err != nil {
		return context.Cause(b.ctx)
	}
	block.Text = clean(block.Text)
	if block.Text == "" {
		return nil
	}
	if b.left -= int64(len(block.Text)); b.left < 0 {
		return fmt.Errorf("its text: %w", ErrTooLarge)
	}
	b.blocks++
	return b.sink(block)
}

// clean removes what no reader of a passage wants to see and no index needs.
func clean(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\u00A0' || r == '\u2007' || r == '\u202F':
			return ' '
		case r < ' ' || r == 0x7F || r == '\u00AD' || r == '\uFEFF' || r == '\u200B':
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}
