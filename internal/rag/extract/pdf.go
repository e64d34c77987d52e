package extract

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ledongthuc/pdf"
)

// readPDF reads a PDF's pages. The library gives it the file's objects; what stands on a page is worked out here, because
// words, lines and paragraphs of a PDF are a matter of where its letters are.
func readPDF(ctx context.Context, in io.ReaderAt, size int64, limits Limits, sink Sink) error {
	file, err := pdf.NewReader(in, size)
	if err != nil {
		return fmt.Errorf("the file is damaged or encrypted: %w", err)
	}
	d := &pdfDocument{ctx: ctx, limits: limits, left: limits.Text, fonts: make(map[string]*pdfFont)}
	if err := d.walk(file.Trailer().Key("Root").Key("Pages"), 0); err != nil {
		return err
	}
	if len(d.pages) == 0 {
		return errors.New("the file is damaged: it has no pages")
	}
	if d.damaged == len(d.pages) {
		return fmt.Errorf("the file is damaged: no page can be read: %w", d.damage)
	}
	dropRunningLines(d.pages)
	levels := headingLevels(d.pages, bodySize(d.pages))
	for i, lines := range d.pages {
		for _, block := range paragraphs(lines, levels) {
			block.Page = i + 1
			if err := sink(block); err != nil {
				return err
			}
		}
	}
	return nil
}

// pdfDocument gathers what stands on the pages.
type pdfDocument struct {
	ctx     context.Context // of the one call of readPDF
	limits  Limits
	left    int64 // bytes of text that may still come
	fonts   map[string]*pdfFont
	pages   [][]line
	damaged int
	damage  error // of the last damaged page
}

// maxTreeDepth bounds the tree of pages, which a file can make endless.
const maxTreeDepth = 40

// walk goes through the tree of pages in their order.
func (d *pdfDocument) walk(node pdf.Value, depth int) error {
	kids := node.Key("Kids")
	if kids.Kind() != pdf.Array {
		if node.Kind() != pdf.Dict {
			return nil
		}
		return d.page(node)
	}
	if depth > maxTreeDepth {
		return errors.New("the file is damaged: its tree of pages is too deep")
	}
	for i := range kids.Len() {
		if err := d.walk(kids.Index(i), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// page reads one page. One that is damaged counts as empty.
func (d *pdfDocument) page(page pdf.Value) error {
	if err := d.ctx.Err(); err != nil {
		return context.Cause(d.ctx)
	}
	if len(d.pages) == d.limits.Pages {
		return fmt.Errorf("more than %d pages: %w", d.limits.Pages, ErrTooLarge)
	}
	glyphs, err := d.glyphs(page)
	if errors.Is(err, ErrTooLarge) {
		return err
	}
	if err != nil {
		d.damaged, d.damage = d.damaged+1, err
	}
	d.pages = append(d.pages, lines(upright(glyphs)))
	return nil
}

// glyphs is what stands on a page, in the order in which it is painted; with an error, what stands before the damage.
func (d *pdfDocument) glyphs(page pdf.Value) (glyphs []glyph, err error) {
	painter := &painter{document: d, state: newGraphics()}
	defer func() {
		// The library tells of damage by panicking, from many places.
		if p := recover(); p != nil {
			if cause, ok := p.(error); ok {
				err = cause
			} else {
				err = fmt.Errorf("%v", p)
			}
		}
		glyphs = painter.glyphs
	}()
	painter.paint(page.Key("Contents"), inherited(page, "Resources"), 0)
	return nil, painter.err
}

// inherited looks a key up in a page and in the nodes above it.
func inherited(page pdf.Value, key string) pdf.Value {
	for range maxTreeDepth {
		if v := page.Key(key); !v.IsNull() {
			return v
		}
		if page = page.Key("Parent"); page.IsNull() {
			break
		}
	}
	return pdf.Value{}
}
