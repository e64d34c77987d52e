// Package chunk cuts the blocks of a document into passages of similar size: along headings first, then paragraphs, then
// sentences, with a little of the passage before repeated at the front of the next. It keeps no more than one passage in
// memory, does no I/O and starts no goroutine.
package chunk

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"workspace-router/internal/rag/extract"
)

// Config is in characters.
type Config struct {
	Size    int // of a passage, at most
	Overlap int // of a passage with the one before, at most; less than half of Size
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Size < 100 {
		return fmt.Errorf("cannot cut passages of %d characters, want at least 100", c.Size)
	}
	if c.Overlap < 0 || c.Overlap >= c.Size/2 {
		return fmt.Errorf("cannot overlap passages of %d characters by %d, want 0 to less than half", c.Size, c.Overlap)
	}
	return nil
}

// Chunk is one passage.
type Chunk struct {
	Ordinal   int    // place in the document, from 0
	Heading   string // the headings above it, outermost first, joined by " > "
	Text      string
	FirstPage int // 0 where the format has no pages
	LastPage  int
}

// Chunker takes blocks and gives passages. It is used by one goroutine.
type Chunker struct {
	config  Config
	emit    func(Chunk) error
	ordinal int
	path    [6]string // the open heading of each level
	heading string    // of the passage that is being gathered
	text    strings.Builder
	size    int  // characters in text
	fresh   bool // text holds more than the repetition of the passage before
	first   int
	last    int
}

// headingSize bounds how much of the headings above a passage is kept with it.
const headingSize = 300

// New makes a chunker that hands each passage to emit.
func New(config Config, emit func(Chunk) error) (*Chunker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Chunker{config: config, emit: emit}, nil
}

// Add takes the next block. It returns what emit returned.
func (c *Chunker) Add(b extract.Block) error {
	if b.Level > 0 {
		return c.addHeading(b)
	}
	if utf8.RuneCountInString(b.Text) <= c.config.Size {
		return c.addPiece(b.Text, b.Page)
	}
	for text := b.Text; text != ""; {
		if c.room() < c.config.Size/2 { // less might not take a word
			if err := c.flush(true); err != nil {
				return err
			}
		}
		var piece string
		piece, text = split(text, c.room())
		if err := c.addPiece(piece, b.Page); err != nil {
			return err
		}
	}
	return nil
}

// room is how many characters the passage can still take.
func (c *Chunker) room() int {
	if c.size == 0 {
		return c.config.Size
	}
	return c.config.Size - c.size - 1
}

// Close gives the last passage.
func (c *Chunker) Close() error {
	if !c.fresh && c.ordinal == 0 && c.joinedPath() != "" { // a document of headings alone
		c.append(cut(c.joinedPath(), c.config.Size), 0)
	}
	return c.flush(false)
}

// addHeading begins a new passage, unless the one before is so short that it would say little on its own.
func (c *Chunker) addHeading(b extract.Block) error {
	short := c.fresh && c.size < c.config.Size/4
	if !short {
		if err := c.flush(false); err != nil {
			return err
		}
	}
	level := min(b.Level, len(c.path))
	c.path[level-1] = strings.Join(strings.Fields(b.Text), " ")
	clear(c.path[level:])
	if short {
		return c.addPiece(cut(c.path[level-1], c.config.Size), b.Page)
	}
	return nil
}

// addPiece appends a piece that is no longer than a passage.
func (c *Chunker) addPiece(piece string, page int) error {
	if strings.TrimSpace(piece) == "" {
		return nil
	}
	if size := utf8.RuneCountInString(piece); size > c.room() {
		if err := c.flush(true); err != nil {
			return err
		}
		if size > c.room() { // a whole paragraph is worth more than the repetition
			c.reset()
		}
	}
	c.append(piece, page)
	return nil
}

func (c *Chunker) append(piece string, page int) {
	if !c.fresh {
		c.heading, c.fresh = c.joinedPath(), true
	}
	if c.first == 0 {
		c.first = page
	}
	c.last = max(c.last, page)
	if c.text.Len() > 0 {
		c.text.WriteByte('\n')
		c.size++
	}
	c.text.WriteString(piece)
	c.size += utf8.RuneCountInString(piece)
}

// flush hands over what was gathered, and begins the next passage with the end of it if the text goes on.
func (c *Chunker) flush(goesOn bool) error {
	if !c.fresh {
		c.reset()
		return nil
	}
	text, last := c.text.String(), c.last
	chunk := Chunk{Ordinal: c.ordinal, Heading: c.heading, Text: strings.TrimSpace(text), FirstPage: c.first, LastPage: c.last}
	c.ordinal++
	c.reset()
	if goesOn {
		if repeated := tail(text, c.config.Overlap); repeated != "" {
			c.text.WriteString(repeated)
			c.size = utf8.RuneCountInString(repeated)
			c.first, c.last = last, last
		}
	}
	return c.emit(chunk)
}

func (c *Chunker) reset() {
	c.text.Reset()
	c.size, c.fresh, c.first, c.last = 0, false, 0, 0
}

func (c *Chunker) joinedPath() string {
	var parts []string
	for _, part := range c.path {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return cut(strings.Join(parts, " > "), headingSize)
}
