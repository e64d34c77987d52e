package extract

import (
	"archive/zip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// readDOCX reads a Word document: a zip archive in which document.xml holds the text, and styles.xml says which styles
// are headings.
func readDOCX(_ context.Context, in io.ReaderAt, size int64, limits Limits, sink Sink) error {
	archive, err := zip.NewReader(in, size)
	if err != nil {
		return fmt.Errorf("the file is damaged: %w", err)
	}
	d := docx{sink: sink, levels: make(map[string]int)}
	// A document without styles has no headings, and nothing else is wrong with it.
	if err := part(archive, "word/styles.xml", limits.Inner, d.style); err != nil && !errors.Is(err, errNoPart) {
		return err
	}
	if err := part(archive, "word/document.xml", limits.Inner, d.body); err != nil {
		return err
	}
	return d.flush()
}

var errNoPart = errors.New("the file is damaged or no Word document")

// part goes through the tags of a part of the archive, reading no more than limit bytes of it.
func part(archive *zip.Reader, name string, limit int64, do func(xml.Token) error) error {
	var file *zip.File
	for _, f := range archive.File {
		if f.Name == name {
			file = f
			break
		}
	}
	if file == nil {
		return fmt.Errorf("%w: it has no %q", errNoPart, name)
	}
	content, err := file.Open()
	if err != nil {
		return fmt.Errorf("the file is damaged: %w", err)
	}
	defer content.Close()
	bounded := &io.LimitedReader{R: content, N: limit}
	tokens := xml.NewDecoder(bounded)
	for {
		token, err := tokens.RawToken()
		switch {
		case bounded.N <= 0:
			return fmt.Errorf("%q: %w", name, ErrTooLarge)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the file is damaged: %q: %w", name, err)
		}
		if err := do(token); err != nil {
			return err
		}
	}
}

// docx is the state of the reader.
type docx struct {
	sink    Sink
	levels  map[string]int // of headings, by style
	current string         // style that is being read
	text    strings.Builder
	level   int
	inText  bool // inside of a piece of text
	rows    int  // open table rows: a row is one block
	deleted int  // open deletions: text that a reviewer took out
}

// style notes the levels of a style, by its outline or by its name.
func (d *docx) style(token xml.Token) error {
	start, ok := token.(xml.StartElement)
	if !ok {
		return nil
	}
	switch start.Name.Local {
	case "style":
		d.current = attribute(start, "styleId")
	case "outlineLvl":
		if level, err := strconv.Atoi(attribute(start, "val")); err == nil && level >= 0 && level < 6 {
			d.levels[d.current] = level + 1
		}
	case "name":
		name := strings.ToLower(attribute(start, "val"))
		if rest, ok := strings.CutPrefix(name, "heading "); ok {
			if level, err := strconv.Atoi(rest); err == nil && level >= 1 {
				d.levels[d.current] = min(level, 6)
			}
		}
		if name == "title" {
			d.levels[d.current] = 1
		}
	}
	return nil
}

func (d *docx) body(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		d.start(t)
	case xml.EndElement:
		return d.end(t.Name.Local)
	case xml.CharData:
		if d.inText && d.deleted == 0 {
			d.text.Write(t)
		}
	}
	return nil
}

func (d *docx) start(t xml.StartElement) {
	switch t.Name.Local {
	case "t":
		d.inText = true
	case "tab":
		d.text.WriteByte('\t')
	case "br", "cr":
		d.text.WriteByte('\n')
	case "pStyle":
		d.level = d.levels[attribute(t, "val")]
	case "outlineLvl":
		if level, err := strconv.Atoi(attribute(t, "val")); err == nil && level >= 0 && level < 6 {
			d.level = level + 1
		}
	case "tr":
		d.rows++
	case "tc":
		if d.text.Len() > 0 {
			d.text.WriteString(" | ")
		}
	case "del":
		d.deleted++
	}
}

func (d *docx) end(name string) error {
	switch name {
	case "t":
		d.inText = false
	case "del":
		d.deleted = max(0, d.deleted-1)
	case "p":
		if d.rows == 0 {
			return d.flush()
		}
		d.text.WriteByte(' ')
	case "tr":
		if d.rows = max(0, d.rows-1); d.rows == 0 {
			d.level = 0
			return d.flush()
		}
	}
	return nil
}

func (d *docx) flush() error {
	block := Block{Level: d.level, Text: d.text.String()}
	d.text.Reset()
	d.level = 0
	return d.sink(block)
}

func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
