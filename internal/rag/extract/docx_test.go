package extract

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func archive(t testing.TB, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, content := range files {
		part, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const (
	wordStyles = `<?xml version="1.0"?><w:styles xmlns:w="w">
		<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
		<w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>
		<w:style w:styleId="Eigene"><w:name w:val="Mine"/><w:pPr><w:outlineLvl w:val="3"/></w:pPr></w:style>
		<w:style w:styleId="Text"><w:name w:val="Body"/></w:style></w:styles>`
	wordDocument = `<?xml version="1.0"?><w:document xmlns:w="w"><w:body>
		<w:p><w:pPr><w:pStyle w:val="Titel"/></w:pPr><w:r><w:t>On </w:t></w:r><w:r><w:t>Bees</w:t></w:r></w:p>
		<w:p><w:pPr><w:pStyle w:val="berschrift2"/></w:pPr><w:r><w:t>Honey</w:t></w:r></w:p>
		<w:p><w:pPr><w:pStyle w:val="Text"/></w:pPr><w:r><w:t xml:space="preserve">Sixty &amp; more </w:t><w:tab/><w:t>pounds</w:t><w:br/><w:t>a year.</w:t></w:r>
			<w:del><w:r><w:t>not this</w:t></w:r></w:del><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>
		<w:p><w:pPr><w:pStyle w:val="Eigene"/></w:pPr><w:r><w:t>Deep</w:t></w:r></w:p>
		<w:tbl><w:tr><w:tc><w:p><w:r><w:t>k</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>v</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
		<w:p/><w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:r><w:t>Direct</w:t></w:r></w:p>
		</w:body></w:document>`
)

func TestReadDOCX_FindsHeadingsByTheirStyles(t *testing.T) {
	t.Parallel()
	got, err := read(t, "bees.docx", archive(t, map[string]string{"word/styles.xml": wordStyles, "word/document.xml": wordDocument}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{
		{Level: 1, Text: "On Bees"}, {Level: 2, Text: "Honey"}, {Text: "Sixty & more \tpounds\na year."}, {Level: 4, Text: "Deep"},
		{Text: "k  | v"}, {Level: 1, Text: "Direct"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

func TestReadDOCX_DoesWithoutStyles(t *testing.T) {
	t.Parallel()
	got, err := read(t, "bees.docx", archive(t, map[string]string{"word/document.xml": `<w:p><w:r><w:t>Text</w:t></w:r></w:p>`}))
	if diff := cmp.Diff([]Block{{Text: "Text"}}, got); diff != "" || err != nil {
		t.Errorf("%v, blocks (-want +got):\n%s", err, diff)
	}
}
