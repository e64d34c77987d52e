package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxTag bounds one tag with its attributes, where pictures hide.
const maxTag = 32 << 20

// readHTML goes through the page tag by tag, without building its tree, so that neither depth nor size costs memory.
func readHTML(_ context.Context, in io.ReaderAt, size int64, _ Limits, sink Sink) error {
	text, err := decoded(io.NewSectionReader(in, 0, size))
	if err != nil {
		return err
	}
	page := page{sink: sink}
	tokens := html.NewTokenizer(text)
	tokens.SetMaxBuf(maxTag)
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				return fmt.Errorf("the page is damaged: %w", err)
			}
			return page.flush()
		}
		if err := page.token(kind, tokens); err != nil {
			return err
		}
	}
}

// page is the state of the reader.
type page struct {
	sink    Sink
	text    strings.Builder
	level   int       // of the heading that is open
	pre     int       // open pre elements
	skipped atom.Atom // the element whose content is left out, with how often it is open
	depth   int
}

func (p *page) token(kind html.TokenType, tokens *html.Tokenizer) error {
	if kind == html.TextToken {
		if p.depth == 0 {
			p.write(latin1(tokens.Text()))
		}
		return nil
	}
	if kind != html.StartTagToken && kind != html.EndTagToken && kind != html.SelfClosingTagToken {
		return nil
	}
	name, _ := tokens.TagName()
	tag := atom.Lookup(name)
	if p.depth > 0 {
		if tag == p.skipped && kind == html.StartTagToken {
			p.depth++
		}
		if tag == p.skipped && kind == html.EndTagToken {
			p.depth--
		}
		return nil
	}
	if kind == html.EndTagToken {
		return p.closeTag(tag)
	}
	return p.open(tag, kind)
}

func (p *page) open(tag atom.Atom, kind html.TokenType) error {
	switch tag {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Nav, atom.Iframe, atom.Object, atom.Select, atom.Title:
		if kind == html.StartTagToken {
			p.skipped, p.depth = tag, 1
		}
	case atom.Br:
		p.text.WriteByte('\n')
	case atom.Td, atom.Th:
		if p.text.Len() > 0 {
			p.text.WriteString(" | ")
		}
	case atom.Li:
		if err := p.flush(); err != nil {
			return err
		}
		p.text.WriteString("- ")
	case atom.Pre:
		if err := p.flush(); err != nil {
			return err
		}
		p.pre++
	default:
		if breaks(tag) {
			if err := p.flush(); err != nil {
				return err
			}
		}
		if level := htmlLevel(tag); level > 0 {
			p.level = level
		}
	}
	return nil
}

func (p *page) closeTag(tag atom.Atom) error {
	if tag == atom.Pre && p.pre > 0 {
		if err := p.flush(); err != nil {
			return err
		}
		p.pre--
	}
	if breaks(tag) || tag == atom.Li {
		return p.flush()
	}
	return nil
}

// write appends text; outside of pre, white space collapses as a browser does it.
func (p *page) write(s string) {
	if p.pre > 0 {
		p.text.WriteString(s)
		return
	}
	for i, word := range strings.FieldsFunc(s, isHTMLSpace) {
		if i > 0 || isHTMLSpace(rune(s[0])) {
			p.space()
		}
		p.text.WriteString(word)
	}
	if s != "" && isHTMLSpace(rune(s[len(s)-1])) {
		p.space()
	}
}

func (p *page) space() {
	if s := p.text.String(); s != "" && !strings.HasSuffix(s, " ") && !strings.HasSuffix(s, "\n") {
		p.text.WriteByte(' ')
	}
}

func (p *page) flush() error {
	text, level := p.text.String(), p.level
	p.text.Reset()
	p.level = 0
	if strings.TrimSpace(text) == "-" { // an empty list item
		return nil
	}
	if level > 0 {
		text = strings.Join(strings.Fields(text), " ")
	}
	return p.sink(Block{Level: level, Text: text})
}

func isHTMLSpace(r rune) bool {
	return r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f'
}

func htmlLevel(tag atom.Atom) int {
	switch tag {
	case atom.H1:
		return 1
	case atom.H2:
		return 2
	case atom.H3:
		return 3
	case atom.H4:
		return 4
	case atom.H5:
		return 5
	case atom.H6:
		return 6
	}
	return 0
}

// breaks says whether an element begins and ends a block.
func breaks(tag atom.Atom) bool {
	switch tag {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.P, atom.Div, atom.Section, atom.Article, atom.Header, atom.Footer,
		atom.Main, atom.Aside, atom.Ul, atom.Ol, atom.Dl, atom.Dt, atom.Dd, atom.Table, atom.Tr, atom.Caption, atom.Blockquote, atom.Hr,
		atom.Figure, atom.Figcaption, atom.Address, atom.Form, atom.Fieldset, atom.Body, atom.Details, atom.Summary:
		return true
	}
	return false
}

// latin1 is the text, or, where it is not UTF-8, what a browser takes it for: Windows-1252.
func latin1(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	var text strings.Builder
	for _, b := range raw {
		text.WriteRune(windows1252(b))
	}
	return text.String()
}

func windows1252(b byte) rune {
	const high = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008DŽ\u008F\u0090‘’“”•–—˜™š›œ\u009DžŸ"
	if b < 0x80 || b >= 0xA0 {
		return rune(b)
	}
	return []rune(high)[b-0x80]
}
