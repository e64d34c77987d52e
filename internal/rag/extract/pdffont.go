package extract

import (
	"io"
	"maps"
	"strings"
	"unicode/utf16"

	"github.com/ledongthuc/pdf"
)

// pdfFont turns the codes of a PDF's strings into characters and widths.
type pdfFont struct {
	wide     bool           // codes have two bytes
	text     map[int]string // by code
	fallback pdf.TextEncoding
	widths   map[int]float64 // by code, in thousandths of the font's size
	missing  float64         // width of the others
	bold     bool
}

// Widths to go by where a font does not tell its own.
const (
	usualWidth   = 500
	wideWidth    = 1000 // the format's default for fonts of two bytes
	maxFontCodes = 1 << 16
	maxCMap      = 4 << 20 // bytes
)

func newPDFFont(v pdf.Value) *pdfFont {
	f := &pdfFont{text: make(map[int]string), widths: make(map[int]float64), missing: usualWidth}
	name := v.Key("BaseFont").Name()
	for _, word := range []string{"Bold", "Black", "Heavy", "CMBX", "Semibold", "SemiBold", "Demi"} {
		f.bold = f.bold || strings.Contains(name, word)
	}
	f.wide = v.Key("Subtype").Name() == "Type0"
	if m := v.Key("ToUnicode"); m.Kind() == pdf.Stream {
		f.readCMap(io.LimitReader(m.Reader(), maxCMap))
	}
	if f.wide {
		f.readWideWidths(v.Key("DescendantFonts").Index(0))
		return f
	}
	f.fallback = (&pdf.Font{V: v}).Encoder()
	if v.Key("Encoding").IsNull() && len(f.text) == 0 {
		maps.Copy(f.text, texLigatures)
	}
	f.readWidths(v)
	return f
}

// texLigatures are the codes of joined letters in the fonts of TeX, which often say nothing of their own encoding. No
// other encoding has letters there.
var texLigatures = map[int]string{0x0B: "ff", 0x0C: "fi", 0x0D: "fl", 0x0E: "ffi", 0x0F: "ffl"}

func (f *pdfFont) readWidths(v pdf.Value) {
	if missing := v.Key("FontDescriptor").Key("MissingWidth").Float64(); missing > 0 {
		f.missing = missing
	}
	scale := 1.0
	if matrix := v.Key("FontMatrix"); matrix.Len() == 6 { // of a font that is made of pictures
		scale = matrix.Index(0).Float64() * 1000
	}
	first, widths := int(v.Key("FirstChar").Int64()), v.Key("Widths")
	for i := range min(widths.Len(), 256) {
		f.widths[first+i] = widths.Index(i).Float64() * scale
	}
}

// readWideWidths reads a list of "code [width…]" and "first last width".
func (f *pdfFont) readWideWidths(v pdf.Value) {
	f.missing = wideWidth
	if d := v.Key("DW"); !d.IsNull() {
		f.missing = d.Float64()
	}
	list := v.Key("W")
	for i := 0; i+1 < list.Len() && len(f.widths) < maxFontCodes; {
		first, second := int(list.Index(i).Int64()), list.Index(i+1)
		if second.Kind() == pdf.Array {
			for j := range min(second.Len(), maxFontCodes) {
				f.widths[first+j] = second.Index(j).Float64()
			}
			i += 2
			continue
		}
		width := list.Index(i + 2).Float64()
		for code := first; code <= int(second.Int64()) && len(f.widths) < maxFontCodes; code++ {
			f.widths[code] = width
		}
		i += 3
	}
}

// readCMap reads the map from codes to characters.
func (f *pdfFont) readCMap(m io.Reader) {
	readCMap(m, func(op string, args []cmapToken) {
		switch op {
		case "endbfchar":
			for ; len(args) >= 2; args = args[2:] {
				f.mapCode(args[0].text, utf16Runes(args[1].text), 0)
			}
		case "endbfrange":
			for ; len(args) >= 3; args = args[3:] {
				f.mapRange(args[0].text, args[1].text, args[2])
			}
		}
	})
}

func (f *pdfFont) mapRange(low, high string, to cmapToken) {
	count := codeOf(high) - codeOf(low) + 1
	for i := 0; i < min(count, maxFontCodes) && len(f.text) < maxFontCodes; i++ {
		if to.list != nil {
			if i < len(to.list) {
				f.mapCode(low, utf16Runes(to.list[i]), i)
			}
			continue
		}
		text := []rune(utf16Runes(to.text))
		if len(text) > 0 {
			text[len(text)-1] += rune(i)
		}
		f.mapCode(low, string(text), i)
	}
}

func (f *pdfFont) mapCode(from, to string, offset int) {
	if len(from) > 0 && to != "" {
		f.text[codeOf(from)+offset] = to
	}
}

// codeOf is the number that a code's bytes are.
func codeOf(raw string) int {
	n := 0
	for i := range min(len(raw), 4) {
		n = n<<8 | int(raw[i])
	}
	return n
}

// utf16Runes decodes big-endian UTF-16, the form in which PDF writes what a code stands for.
func utf16Runes(raw string) string {
	units := make([]uint16, 0, len(raw)/2)
	for i := 0; i+1 < len(raw); i += 2 {
		units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	if len(raw) == 1 { // seen in the wild
		units = append(units, uint16(raw[0]))
	}
	return string(utf16.Decode(units))
}

// each calls f with each code of a string: its characters, its width in thousandths, and whether it is the space that
// word spacing applies to.
func (f *pdfFont) each(raw string, do func(text string, width float64, space bool)) {
	step := 1
	if f.wide {
		step = 2
	}
	for i := 0; i+step <= len(raw); i += step {
		code := codeOf(raw[i : i+step])
		text, ok := f.text[code]
		if !ok && f.fallback != nil {
			text = f.fallback.Decode(raw[i : i+1])
			f.text[code] = text // the library looks through a list in the file each time
		}
		width, ok := f.widths[code]
		if !ok {
			width = f.missing
		}
		do(ligatures.Replace(text), width, step == 1 && code == ' ')
	}
}

// ligatures takes joined letters apart, so that a word is found by the letters that it is typed with.
var ligatures = strings.NewReplacer("ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ﬃ", "ffi", "ﬄ", "ffl", "ﬅ", "st", "ﬆ", "st", "\x00", "", "\uFFFD", "")
