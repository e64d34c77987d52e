package extract

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const examples = "../../../examples/documents"

func read(t *testing.T, name, content string) ([]Block, error) {
	t.Helper()
	return readWith(t, name, content, DefaultLimits())
}

func readWith(t *testing.T, name, content string, limits Limits) ([]Block, error) {
	t.Helper()
	var blocks []Block
	err := File(t.Context(), name, strings.NewReader(content), int64(len(content)), limits, func(b Block) error {
		blocks = append(blocks, b)
		return nil
	})
	return blocks, err
}

func TestFile_FindsHeadingsAndParagraphs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name, content string
		want          []Block
	}{
		"plain": {"a.txt", "One\ntwo.\n\n\nThree.\r\n\r\nFour", []Block{{Text: "One\ntwo."}, {Text: "Three."}, {Text: "Four"}}},
		"markdown": {"a.md", "# Top #\nText.\n\n### Deep\n* a\n* b\n\nUnder\n=====\n\n#no heading\n####### nor this\n", []Block{
			{Level: 1, Text: "Top"}, {Text: "Text."}, {Level: 3, Text: "Deep"}, {Text: "* a\n* b"}, {Level: 1, Text: "Under"},
			{Text: "#no heading\n####### nor this"},
		}},
		"markdown rule": {"a.md", "One\ntwo\n---\nthree", []Block{{Text: "One\ntwo\n---\nthree"}}},
		"markdown code": {"a.md", "```sh\n# no heading\n\nstill code\n```\nafter\n\n~~~\nopen to the end\n# yes", []Block{
			{Text: "```sh\n# no heading\n\nstill code\n```\nafter"}, {Text: "~~~\nopen to the end\n# yes"},
		}},
		"html": {"a.html", `<!DOCTYPE html><html><head><title>T</title><style>p{}</style></head><body><nav>Home</nav><h1>A <em>big</em>
			title</h1><p>One &amp; two&nbsp;<b>bold</b>.<br>Next</p><script>var x = "<p>no</p>"</script><ul><li>first<li>second</ul>
			<table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table><pre>  keep
  this</pre><h2></h2><p>Last`, []Block{
			{Level: 1, Text: "A big title"}, {Text: "One & two bold.\nNext"}, {Text: "- first"}, {Text: "- second"}, {Text: "k | v"}, {Text: "1 | 2"},
			{Text: "keep\n  this"}, {Text: "Last"},
		}},
		"html of old": {"a.htm", "<p>caf\xe9 \x93quoted\x94 \x80 5</p>", []Block{{Text: "café “quoted” € 5"}}},
		"byte order":  {"a.txt", "\xEF\xBB\xBFtext", []Block{{Text: "text"}}},
		"utf-16":      {"a.txt", "\xFF\xFEh\x00\xE9\x00\n\x00", []Block{{Text: "hé"}}},
		"utf-16 big":  {"a.txt", "\xFE\xFF\x00h\x00\xE9", []Block{{Text: "hé"}}},
		"invisible":   {"a.txt", "soft\u00adhy\u200bphen\u00a0x\x07", []Block{{Text: "softhyphen x"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, test.name, test.content)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("blocks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFile_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	small := Limits{Text: 10, Inner: 100, Pages: 1}
	tests := map[string]struct {
		name, content string
		limits        Limits
		want          error
		text          string
	}{
		"unsupported":    {"a.exe", "x", small, ErrUnsupported, ""},
		"no extension":   {"a", "x", small, ErrUnsupported, ""},
		"empty":          {"a.txt", "", small, ErrNoText, ""},
		"blank":          {"a.md", " \n\n\t\n", small, ErrNoText, ""},
		"tags alone":     {"a.html", "<p></p><script>x</script>", small, ErrNoText, ""},
		"too long":       {"a.txt", "12345\n\n123456", small, ErrTooLarge, ""},
		"no UTF-8":       {"a.txt", "ok\n\xff\xfe", small, nil, "line 2 is not UTF-8 text"},
		"binary":         {"a.md", "a\x00b", small, nil, "line 1 is not UTF-8 text"},
		"half a unit":    {"a.txt", "\xFF\xFEa", small, nil, "odd number of bytes"},
		"no PDF":         {"a.pdf", "hello", small, nil, "damaged"},
		"a cut PDF":      {"a.pdf", "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n", small, nil, "damaged"},
		"no Word":        {"a.docx", "hello", small, nil, "damaged"},
		"zip, no Word":   {"a.docx", archive(t, map[string]string{"x": "y"}), small, nil, "no Word document"},
		"broken Word":    {"a.docx", archive(t, map[string]string{"word/document.xml": "<w:p><w:t>x</w:"}), small, nil, "damaged"},
		"a bomb":         {"a.docx", archive(t, map[string]string{"word/document.xml": "<w:p>" + strings.Repeat(" ", 1000)}), small, ErrTooLarge, ""},
		"a bomb of tags": {"a.docx", archive(t, map[string]string{"word/document.xml": strings.Repeat("<w:tc>", 1000)}), small, ErrTooLarge, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readWith(t, test.name, test.content, test.limits)
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || !strings.HasPrefix(err.Error(), "cannot read") {
				t.Errorf("got %v, want %v %q", err, test.want, test.text)
			}
		})
	}
}

func TestFile_EndsWithItsContextAndItsSink(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	calls := 0
	err := File(ctx, "a.txt", strings.NewReader("one\n\ntwo\n\nthree"), 15, DefaultLimits(), func(Block) error {
		calls++
		cancel(reason)
		return nil
	})
	if !errors.Is(err, reason) || calls != 1 {
		t.Errorf("cancelled: %v after %d calls", err, calls)
	}
	full := errors.New("full")
	err = File(t.Context(), "a.txt", strings.NewReader("one\n\ntwo"), 8, DefaultLimits(), func(Block) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("a sink's error: %v", err)
	}
}

func TestFile_CutsOverlongLinesBetweenCharacters(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("é", 100_000)
	blocks, err := read(t, "a.txt", content)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, b := range blocks {
		got.WriteString(strings.ReplaceAll(b.Text, "\n", ""))
	}
	if got.String() != content || len(blocks) < 2 {
		t.Errorf("%d blocks with %d bytes, want all %d", len(blocks), got.Len(), len(content))
	}
}

func TestFile_ReadsARealPDF(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(examples, "debian-history.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := read(t, "debian-history.pdf", string(content))
	if err != nil {
		t.Fatal(err)
	}
	wanted := []Block{
		{Level: 1, Page: 8, Text: "Leadership"},
		{Level: 3, Page: 7, Text: "1.1 In the Beginning"},
		{Level: 4, Page: 23, Text: "4.13.6 November 2002: Fire burnt Debian server"},
		{Page: 7, Text: "The official pronunciation of Debian is ’deb ee n’. The name comes from the names of the creator of Debian, Ian Murdock, and his wife, Debra."},
		{Page: 6, Text: "This document describes the history and goals of the Debian project."},
	}
	for _, want := range wanted {
		found := false
		for _, b := range blocks {
			found = found || b == want
		}
		if !found {
			t.Errorf("no block is %+v", want)
		}
	}
	for _, b := range blocks {
		if strings.HasPrefix(b.Text, "A Brief History of Debian ") || strings.Contains(b.Text, "....") {
			t.Errorf("page %d has a running line or a leader: %q", b.Page, b.Text)
		}
	}
	if last := blocks[len(blocks)-1]; last.Page != 27 {
		t.Errorf("the last block is on page %d, want 27", last.Page)
	}
}
