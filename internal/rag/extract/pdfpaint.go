package extract

import (
	"fmt"

	"github.com/ledongthuc/pdf"
)

// glyph is one code as it stands on a page, in points from the lower left.
type glyph struct {
	text   string
	x, end float64 // along the line
	y      float64 // of the line, growing upwards
	size   float64
	turn   int // of the writing, in quarters: 0 is upright
	bold   bool
}

// matrix maps (x, y) to (a·x + c·y + e, b·x + d·y + f).
type matrix struct{ a, b, c, d, e, f float64 }

// then is the matrix that does m first and n after it.
func (m matrix) then(n matrix) matrix {
	return matrix{
		m.a*n.a + m.b*n.c, m.a*n.b + m.b*n.d,
		m.c*n.a + m.d*n.c, m.c*n.b + m.d*n.d,
		m.e*n.a + m.f*n.c + n.e, m.e*n.b + m.f*n.d + n.f,
	}
}

var identity = matrix{a: 1, d: 1}

// graphics is the state that a content stream's operators change.
type graphics struct {
	page       matrix // from the user's space to the page
	text, line matrix
	font       *pdfFont
	size       float64
	charSpace  float64
	wordSpace  float64
	stretch    float64
	leading    float64
	rise       float64
	unreadable bool // inside an inline picture
}

func newGraphics() graphics {
	return graphics{page: identity, text: identity, line: identity, stretch: 1}
}

// painter runs content streams and notes where their text lands.
type painter struct {
	document *pdfDocument
	state    graphics
	saved    []graphics
	glyphs   []glyph
	err      error // ErrTooLarge ends the page
}

const (
	maxSaved = 256     // depth of saved states
	maxForms = 12      // depth of forms within forms
	maxPage  = 1 << 20 // glyphs of a page
)

// paint runs a content stream, or a list of them, with its resources.
func (p *painter) paint(content, resources pdf.Value, depth int) {
	if content.Kind() != pdf.Stream && content.Kind() != pdf.Array {
		return
	}
	pdf.Interpret(content, func(stack *pdf.Stack, op string) {
		args := make([]pdf.Value, stack.Len())
		for i := len(args) - 1; i >= 0; i-- {
			args[i] = stack.Pop()
		}
		if p.err != nil {
			return
		}
		p.operator(op, args, resources, depth)
	})
}

func (p *painter) operator(op string, args []pdf.Value, resources pdf.Value, depth int) {
	s := &p.state
	switch op {
	case "BI", "ID":
		s.unreadable = true
	case "EI":
		s.unreadable = false
	}
	if s.unreadable {
		return
	}
	switch op {
	case "q":
		if len(p.saved) < maxSaved {
			p.saved = append(p.saved, *s)
		}
	case "Q":
		if n := len(p.saved); n > 0 {
			*s, p.saved = p.saved[n-1], p.saved[:n-1]
		}
	case "cm":
		if m, ok := toMatrix(args); ok {
			s.page = m.then(s.page)
		}
	case "Do":
		if len(args) == 1 {
			p.form(resources.Key("XObject").Key(args[0].Name()), resources, depth)
		}
	default:
		p.textOperator(op, args, resources)
	}
}

func (p *painter) textOperator(op string, args []pdf.Value, resources pdf.Value) {
	s := &p.state
	switch op {
	case "BT":
		s.text, s.line = identity, identity
	case "Tf":
		if len(args) == 2 {
			s.font, s.size = p.document.font(resources.Key("Font").Key(args[0].Name())), args[1].Float64()
		}
	case "Tm":
		if m, ok := toMatrix(args); ok {
			s.text, s.line = m, m
		}
	case "Td", "TD":
		if len(args) == 2 {
			if op == "TD" {
				s.leading = -args[1].Float64()
			}
			p.move(args[0].Float64(), args[1].Float64())
		}
	case "T*":
		p.move(0, -s.leading)
	case "Tj":
		p.showAll(args)
	case "'":
		p.move(0, -s.leading)
		p.showAll(args)
	case "\"":
		if len(args) == 3 {
			s.wordSpace, s.charSpace = args[0].Float64(), args[1].Float64()
			p.move(0, -s.leading)
			p.showAll(args[2:])
		}
	case "TJ":
		if len(args) == 1 {
			p.showList(args[0])
		}
	default:
		if len(args) == 1 {
			s.set(op, args[0].Float64())
		}
	}
}

func (s *graphics) set(op string, value float64) {
	switch op {
	case "Tc":
		s.charSpace = value
	case "Tw":
		s.wordSpace = value
	case "Tz":
		s.stretch = value / 100
	case "TL":
		s.leading = value
	case "Ts":
		s.rise = value
	}
}

// form paints a stream that a page refers to, in a state of its own.
func (p *painter) form(form, resources pdf.Value, depth int) {
	if form.Key("Subtype").Name() != "Form" || depth >= maxForms {
		return
	}
	if own := form.Key("Resources"); !own.IsNull() {
		resources = own
	}
	before, saved := p.state, p.saved
	p.saved = nil
	if m := form.Key("Matrix"); m.Len() == 6 {
		var numbers []pdf.Value
		for i := range 6 {
			numbers = append(numbers, m.Index(i))
		}
		if m, ok := toMatrix(numbers); ok {
			p.state.page = m.then(p.state.page)
		}
	}
	p.paint(form, resources, depth+1)
	p.state, p.saved = before, saved
}

func (p *painter) move(x, y float64) {
	p.state.line = matrix{a: 1, d: 1, e: x, f: y}.then(p.state.line)
	p.state.text = p.state.line
}

// showList shows strings with shifts between them, in thousandths of the size.
func (p *painter) showList(list pdf.Value) {
	for i := range list.Len() {
		switch v := list.Index(i); v.Kind() {
		case pdf.String:
			p.show(v.RawString())
		case pdf.Integer, pdf.Real:
			p.advance(-v.Float64() / 1000 * p.state.size)
		}
	}
}

func (p *painter) showAll(args []pdf.Value) {
	for _, a := range args {
		p.show(a.RawString())
	}
}

func (p *painter) advance(x float64) {
	p.state.text = matrix{a: 1, d: 1, e: x * p.state.stretch}.then(p.state.text)
}

func (p *painter) show(raw string) {
	if p.state.font == nil {
		return
	}
	p.state.font.each(raw, func(text string, width float64, space bool) {
		at := matrix{a: p.state.size * p.state.stretch, d: p.state.size, f: p.state.rise}.then(p.state.text).then(p.state.page)
		if text != "" {
			p.add(text, at, width/1000)
		}
		x := width/1000*p.state.size + p.state.charSpace
		if space {
			x += p.state.wordSpace
		}
		p.advance(x)
	})
}

func (p *painter) add(text string, at matrix, width float64) {
	if p.document.left -= int64(len(text)); p.document.left < 0 || len(p.glyphs) == maxPage {
		p.err = fmt.Errorf("its text: %w", ErrTooLarge)
		return
	}
	g := place(at, width)
	g.text, g.bold = text, p.state.font.bold
	p.glyphs = append(p.glyphs, g)
}

func (d *pdfDocument) font(v pdf.Value) *pdfFont {
	// The text of a font's dictionary names its parts by their numbers in the file, and so names the font.
	key := v.String()
	f, ok := d.fonts[key]
	if !ok {
		f = newPDFFont(v)
		d.fonts[key] = f
	}
	return f
}

func toMatrix(args []pdf.Value) (matrix, bool) {
	if len(args) != 6 {
		return matrix{}, false
	}
	return matrix{args[0].Float64(), args[1].Float64(), args[2].Float64(), args[3].Float64(), args[4].Float64(), args[5].Float64()}, true
}
