package extract

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzz checks what must hold of any file: the reader comes back, and its blocks are as Block promises.
func fuzz(t *testing.T, name, content string) {
	limits := Limits{Text: 1 << 20, Inner: 1 << 20, Pages: 100}
	err := File(t.Context(), name, strings.NewReader(content), int64(len(content)), limits, func(b Block) error {
		if !utf8.ValidString(b.Text) || strings.TrimSpace(b.Text) == "" || b.Level < 0 || b.Level > 6 || b.Page < 0 {
			t.Errorf("block %+v", b)
		}
		return nil
	})
	if err != nil && !strings.HasPrefix(err.Error(), "cannot read") {
		t.Errorf("error %v", err)
	}
}

func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"", "one\n\ntwo", "\xFF\xFEh\x00", "\xEF\xBB\xBFx", strings.Repeat("x", 70_000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) { fuzz(t, "a.txt", content) })
}

func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{"# a\n\nb", "a\n===\nb\n---", "```\n#\n```", "~~~", "#", "######", "# #", "-\n-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) { fuzz(t, "a.md", content) })
}

func FuzzHTML(f *testing.F) {
	for _, seed := range []string{"<h1>a</h1><p>b", "<pre>\n x</pre>", "<ul><li>a<li>", "<script>", "<table><tr><td>a<td>b", "&#0;&nbsp;", "<p>\xe9", "</pre></li>", "<h7>", "<!--"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) { fuzz(t, "a.html", content) })
}

func FuzzDOCX(f *testing.F) {
	for _, seed := range []string{wordDocument, "<w:p><w:t>x", "<w:tr><w:tc>", "</w:tr></w:del>", "<", ""} {
		f.Add(seed, wordStyles)
	}
	f.Fuzz(func(t *testing.T, document, styles string) {
		fuzz(t, "a.docx", archive(t, map[string]string{"word/document.xml": document, "word/styles.xml": styles}))
	})
}

func FuzzPDF(f *testing.F) {
	content, err := os.ReadFile(filepath.Join(examples, "debian-history.pdf"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(content[:40_000]))
	for _, body := range []string{"BT /F1 12 Tf 72 700 Td (Hello) Tj ET", "q 1 0 0 1 0 0 cm BT /F1 9 Tf [(A) -300 (B)] TJ T* (x) ' ET Q", "BI ID \x00 EI", "/X1 Do", "Q Q ET (x) Tj", "[[["} {
		f.Add(smallPDF(body))
	}
	f.Fuzz(func(t *testing.T, content string) { fuzz(t, "a.pdf", content) })
}

func FuzzCMap(f *testing.F) {
	for _, seed := range []string{"1 beginbfchar <01> <0041> endbfchar", "1 beginbfrange <00> <ff> <d83d> endbfrange", "<00> <ffffffff> [<41>] endbfrange", "[ <", "<<", "% x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		font := &pdfFont{text: make(map[int]string)}
		font.readCMap(strings.NewReader(content))
		if len(font.text) > maxFontCodes {
			t.Errorf("%d codes", len(font.text))
		}
	})
}
