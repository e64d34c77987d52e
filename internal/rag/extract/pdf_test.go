package extract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// smallPDF is a document of pages with these contents, in Helvetica without widths.
func smallPDF(contents ...string) string {
	var out strings.Builder
	var offsets []int
	object := func(body string) {
		offsets = append(offsets, out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", len(offsets), body)
	}
	out.WriteString("%PDF-1.4\n")
	var kids strings.Builder
	for i := range contents {
		fmt.Fprintf(&kids, "%d 0 R ", 4+2*i)
	}
	object("<</Type/Catalog/Pages 2 0 R>>")
	object(fmt.Sprintf("<</Type/Pages/Count %d/Kids[%s]/Resources<</Font<</F1 3 0 R>>>>>>", len(contents), kids.String()))
	object("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
	for i, content := range contents {
		object(fmt.Sprintf("<</Type/Page/Parent 2 0 R/Contents %d 0 R>>", 5+2*i))
		object(fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content))
	}
	start := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&out, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, start)
	return out.String()
}

func TestReadPDF_PutsLettersTogether(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		content string
		want    []Block
	}{
		"one line":           {"BT /F1 10 Tf 72 700 Td (Hello there) Tj ET", []Block{{Page: 1, Text: "Hello there"}}},
		"a word by its gap":  {"BT /F1 10 Tf 72 700 Td [(Hello) -400 (there) 20 (fore)] TJ ET", []Block{{Page: 1, Text: "Hello therefore"}}},
		"a word by its x":    {"BT /F1 10 Tf 1 0 0 1 72 700 Tm (Hel) Tj 1 0 0 1 87 700 Tm (lo) Tj 1 0 0 1 102 700 Tm (you) Tj ET", []Block{{Page: 1, Text: "Hello you"}}},
		"lines":              {"BT /F1 10 Tf 12 TL 72 700 Td (One) Tj T* (two) Tj (three) ' ET", []Block{{Page: 1, Text: "One two three"}}},
		"a divided word":     {"BT /F1 10 Tf 12 TL 72 700 Td (ex-) Tj T* (ample, co-) Tj T* (Op) Tj ET", []Block{{Page: 1, Text: "example, co-Op"}}},
		"paragraphs":         {"BT /F1 10 Tf 12 TL 72 700 Td (One) Tj T* (one) Tj T* T* (two) Tj T* (two) Tj ET", []Block{{Page: 1, Text: "One one"}, {Page: 1, Text: "two two"}}},
		"columns":            {"BT /F1 10 Tf 12 TL 72 700 Td (left) Tj T* (left) Tj 200 12 Td (right) Tj T* (right) Tj ET", []Block{{Page: 1, Text: "left left"}, {Page: 1, Text: "right right"}}},
		"a heading":          {"BT /F1 20 Tf 72 700 Td (Title) Tj /F1 10 Tf 0 -30 Td (much longer text) Tj ET", []Block{{Level: 1, Page: 1, Text: "Title"}, {Page: 1, Text: "much longer text"}}},
		"leaders":            {"BT /F1 10 Tf 72 700 Td (Introduction . . . . . . 7) Tj ET", []Block{{Page: 1, Text: "Introduction 7"}}},
		"an ellipsis":        {"BT /F1 10 Tf 72 700 Td (And so... on) Tj ET", []Block{{Page: 1, Text: "And so... on"}}},
		"scaled":             {"q 0.1 0 0 0.1 0 0 cm BT /F1 100 Tf 720 7000 Td [(Hello) -400 (there)] TJ ET Q", []Block{{Page: 1, Text: "Hello there"}}},
		"on its side":        {"BT /F1 10 Tf 0 1 -1 0 100 72 Tm (Sideways) Tj 0 1 -1 0 112 72 Tm (page) Tj ET", []Block{{Page: 1, Text: "Sideways page"}}},
		"a stamp":            {"BT /F1 10 Tf 72 700 Td (The text is longer) Tj 0 1 -1 0 20 300 Tm (stamp) Tj ET", []Block{{Page: 1, Text: "The text is longer"}}},
		"an inline picture":  {"BI /W 1 ID xx EI BT /F1 10 Tf 72 700 Td (after) Tj ET", []Block{{Page: 1, Text: "after"}}},
		"unbalanced":         {"Q Q ET EMC BT /F1 10 Tf 72 700 Td (still) Tj ET", []Block{{Page: 1, Text: "still"}}},
		"signs of Windows":   {"BT /F1 10 Tf 72 700 Td (\x93caf\xe9\x94) Tj ET", []Block{{Page: 1, Text: "“café”"}}},
		"spaces by Tw":       {"BT /F1 10 Tf 3 Tw 72 700 Td (a b) Tj ET", []Block{{Page: 1, Text: "a b"}}},
		"a form without end": {"/X1 Do BT /F1 10 Tf 72 700 Td (x y) Tj ET", []Block{{Page: 1, Text: "x y"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, "a.pdf", smallPDF(test.content))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("blocks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadPDF_DropsRunningLines(t *testing.T) {
	t.Parallel()
	var pages []string
	for i := range 5 {
		pages = append(pages, fmt.Sprintf("BT /F1 10 Tf 72 800 Td (A Handbook %d/5) Tj 0 -100 Td (Page text number %s.) Tj 0 -600 Td (- %d -) Tj ET",
			i+1, strings.Repeat("I", i+1), i+1))
	}
	got, err := read(t, "a.pdf", smallPDF(pages...))
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range got {
		if want := (Block{Page: i + 1, Text: "Page text number " + strings.Repeat("I", i+1) + "."}); b != want {
			t.Errorf("block %d is %+v, want %+v", i, b, want)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d blocks, want 5", len(got))
	}
}

func TestReadPDF_BoundsPagesAndText(t *testing.T) {
	t.Parallel()
	content := smallPDF("BT /F1 10 Tf (one) Tj ET", "BT /F1 10 Tf (two) Tj ET")
	for name, limits := range map[string]Limits{"pages": {Text: 100, Pages: 1}, "text": {Text: 5, Pages: 9}} {
		if _, err := readWith(t, "a.pdf", content, limits); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The library panics at an "end" without "begin".
func TestReadPDF_KeepsWhatIsBesideDamage(t *testing.T) {
	t.Parallel()
	got, err := read(t, "a.pdf", smallPDF("BT /F1 10 Tf (before) Tj ET end BT (behind) Tj ET", "BT /F1 10 Tf (next page) Tj ET"))
	if diff := cmp.Diff([]Block{{Page: 1, Text: "before"}, {Page: 2, Text: "next page"}}, got); diff != "" || err != nil {
		t.Errorf("%v, blocks (-want +got):\n%s", err, diff)
	}
	if _, err := read(t, "a.pdf", smallPDF("end", "end")); err == nil || !strings.Contains(err.Error(), "no page can be read") {
		t.Errorf("all damaged: %v", err)
	}
}
