package extract

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

// line is a line of a page.
type line struct {
	text string
	x, y float64
	size float64
	bold bool
}

// place says where a glyph lands, in the direction that it is written in.
func place(at matrix, width float64) glyph {
	g := glyph{size: math.Hypot(at.c, at.d)}
	length := math.Hypot(at.a, at.b) * width
	switch {
	case math.Abs(at.a) >= math.Abs(at.b) && at.a >= 0:
		g.turn, g.x, g.y = 0, at.e, at.f
	case math.Abs(at.a) >= math.Abs(at.b):
		g.turn, g.x, g.y = 2, -at.e, -at.f
	case at.b > 0:
		g.turn, g.x, g.y = 1, at.f, -at.e
	default:
		g.turn, g.x, g.y = 3, -at.f, at.e
	}
	g.end = g.x + length
	return g
}

// upright keeps the glyphs that are written in the direction of most of the page: not a stamp along its edge.
func upright(glyphs []glyph) []glyph {
	var counts [4]int
	for _, g := range glyphs {
		counts[g.turn]++
	}
	most := 0
	for turn, n := range counts {
		if n > counts[most] {
			most = turn
		}
	}
	return slices.DeleteFunc(glyphs, func(g glyph) bool { return g.turn != most })
}

// In parts of a letter's size.
const (
	wordGap    = 0.13 // between words where no space is written
	sameLine   = 0.4  // by which letters of one line may stand higher or lower
	backwards  = 1.0  // by which a letter may begin before the end of the one before
	sizeChange = 1.08 // factor by which sizes differ, rather than being rounded
)

// lines puts the glyphs of a page together, in the order in which they are painted, which is nearly always the order in
// which they are read.
func lines(glyphs []glyph) []line {
	var all []line
	var text strings.Builder
	var bold, letters int
	flush := func(first glyph) {
		if s := tidy(text.String()); s != "" {
			all = append(all, line{text: s, x: first.x, y: first.y, size: first.size, bold: bold*2 > letters})
		}
		text.Reset()
		bold, letters = 0, 0
	}
	var first, last glyph
	for i, g := range glyphs {
		switch {
		case i == 0:
			first = g
		case math.Abs(g.y-last.y) > sameLine*max(g.size, last.size) || g.x < last.end-backwards*last.size-(last.end-last.x):
			flush(first)
			first = g
		case g.x > last.end+wordGap*g.size && !strings.HasSuffix(text.String(), " ") && g.text != " ":
			text.WriteByte(' ')
		}
		// A line is as large as its largest letters: the number of a footnote may come first.
		first.size = max(first.size, g.size)
		text.WriteString(g.text)
		letters++
		if g.bold {
			bold++
		}
		last = g
	}
	if len(glyphs) > 0 {
		flush(first)
	}
	return all
}

// tidy leaves single spaces, and removes leaders: the dots between a heading and its page number.
func tidy(s string) string {
	var out strings.Builder
	dots := 0
	pending := ""
	for _, r := range s {
		if r == '.' || r == '…' || r == '·' || unicode.IsSpace(r) && dots > 0 {
			if !unicode.IsSpace(r) {
				dots++
			}
			pending += string(r)
			continue
		}
		out.WriteString(shorten(pending, dots))
		pending, dots = "", 0
		out.WriteRune(r)
	}
	out.WriteString(shorten(pending, dots))
	return strings.Join(strings.Fields(out.String()), " ")
}

// shorten makes a space of more dots than a text has in a row.
func shorten(run string, dots int) string {
	if dots > 3 {
		return " "
	}
	return run
}
