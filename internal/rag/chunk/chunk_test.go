package chunk_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
)

func cutUp(t testing.TB, config chunk.Config, blocks ...extract.Block) []chunk.Chunk {
	t.Helper()
	var chunks []chunk.Chunk
	c, err := chunk.New(config, func(c chunk.Chunk) error {
		chunks = append(chunks, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if err := c.Add(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return chunks
}

// sentences are n numbered ones of 30 characters each.
func sentences(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "This is sentence number %04d. ", i)
	}
	return strings.TrimSpace(out.String())
}

func TestChunker_FollowsHeadings(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 30) // more than a quarter of a passage
	got := cutUp(t, chunk.Config{Size: 400, Overlap: 50},
		extract.Block{Level: 1, Text: "Book"}, extract.Block{Level: 2, Text: "One"}, extract.Block{Text: long, Page: 3},
		extract.Block{Level: 2, Text: "Two"}, extract.Block{Level: 3, Text: "Two a"}, extract.Block{Text: long, Page: 4}, extract.Block{Text: long, Page: 5},
		extract.Block{Level: 2, Text: "Three"}, extract.Block{Text: "Short.", Page: 6}, extract.Block{Level: 2, Text: "Four"}, extract.Block{Text: "Short too.", Page: 7},
	)
	text := strings.TrimSpace(long)
	want := []chunk.Chunk{
		{Ordinal: 0, Heading: "Book > One", Text: text, FirstPage: 3, LastPage: 3},
		{Ordinal: 1, Heading: "Book > Two > Two a", Text: long + "\n" + text, FirstPage: 4, LastPage: 5},
		{Ordinal: 2, Heading: "Book > Three", Text: "Short.\nFour\nShort too.", FirstPage: 6, LastPage: 7},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("chunks (-want +got):\n%s", diff)
	}
}

func TestChunker_RepeatsTheEndOfThePassageBefore(t *testing.T) {
	t.Parallel()
	got := cutUp(t, chunk.Config{Size: 200, Overlap: 65}, extract.Block{Text: sentences(12), Page: 1}, extract.Block{Text: "The end.", Page: 2})
	for i := 1; i < len(got); i++ {
		first, _, _ := strings.Cut(got[i].Text, ".")
		if !strings.Contains(got[i-1].Text, first) {
			t.Errorf("chunk %d begins with %q, which is not in the one before", i, first)
		}
	}
	if last := got[len(got)-1]; !strings.HasSuffix(last.Text, "The end.") || last.LastPage != 2 {
		t.Errorf("the last chunk is %+v", last)
	}
}

func TestChunker_KeepsHeadingsAlone(t *testing.T) {
	t.Parallel()
	got := cutUp(t, chunk.Config{Size: 200, Overlap: 20}, extract.Block{Level: 1, Text: "Only"}, extract.Block{Level: 2, Text: "headings"})
	if len(got) != 1 || got[0].Text != "Only > headings" {
		t.Errorf("got %+v", got)
	}
	if got := cutUp(t, chunk.Config{Size: 200, Overlap: 20}); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}

// A word at the end of the room that is left must go to the next passage whole.
func TestChunker_TearsNoWord(t *testing.T) {
	t.Parallel()
	config := chunk.Config{Size: 100, Overlap: 49}
	blocks := []extract.Block{{Text: strings.Repeat("ab ", 20)}, {Text: strings.Repeat(strings.Repeat("c", 40)+" d ", 5)}, {Text: strings.Repeat("e", 49) + " f"}}
	check(t, config, blocks, cutUp(t, config, blocks...))
}

func TestNew_RefusesBadSizes(t *testing.T) {
	t.Parallel()
	for _, config := range []chunk.Config{{Size: 10}, {Size: 200, Overlap: 100}, {Size: 200, Overlap: -1}} {
		if _, err := chunk.New(config, nil); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
}

// check is what holds of any document: no passage is too long or blank, they are numbered, the pages grow, and no word
// that is not overlong is lost or torn.
func check(t interface{ Errorf(string, ...any) }, config chunk.Config, blocks []extract.Block, chunks []chunk.Chunk) {
	var all strings.Builder
	for i, c := range chunks {
		if size := utf8.RuneCountInString(c.Text); size == 0 || size > config.Size || c.Ordinal != i || c.FirstPage > c.LastPage || !utf8.ValidString(c.Text) {
			t.Errorf("chunk %d of %d characters: %+v", i, size, c)
		}
		all.WriteString(" " + c.Heading + " " + c.Text)
	}
	have := make(map[string]bool)
	for _, word := range strings.Fields(all.String()) {
		have[word] = true
	}
	for _, b := range blocks {
		for _, word := range strings.Fields(b.Text) {
			if b.Level == 0 && utf8.RuneCountInString(word) < config.Size/2 && !have[word] {
				t.Errorf("the word %q is lost", word)
			}
		}
	}
}

func TestChunker_LosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := chunk.Config{Size: rapid.IntRange(100, 400).Draw(t, "size")}
		config.Overlap = rapid.IntRange(0, config.Size/2-1).Draw(t, "overlap")
		var blocks []extract.Block
		page := 1
		for i := range rapid.IntRange(0, 12).Draw(t, "blocks") {
			words := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("abzäß漢.!")), 1, 20, -1), 1, 40).Draw(t, "words")
			page += rapid.IntRange(0, 1).Draw(t, "turn")
			b := extract.Block{Page: page, Text: fmt.Sprintf("w%d %s", i, strings.Join(words, rapid.SampledFrom([]string{" ", "\n"}).Draw(t, "between")))}
			if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
				b.Level = rapid.IntRange(1, 6).Draw(t, "level")
			}
			blocks = append(blocks, b)
		}
		var chunks []chunk.Chunk
		c, err := chunk.New(config, func(c chunk.Chunk) error {
			chunks = append(chunks, c)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if err := c.Add(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		check(t, config, blocks, chunks)
	})
}

func FuzzChunker(f *testing.F) {
	f.Add("one two. three", 1, 100, 10)
	f.Add(sentences(30), 0, 150, 74)
	f.Add(strings.Repeat("x", 1000), 0, 100, 49)
	f.Add(strings.Repeat("漢", 500), 6, 101, 0)
	f.Add("a\n\n\n b. ", 0, 100, 1)
	f.Fuzz(func(t *testing.T, text string, level, size, overlap int) {
		config := chunk.Config{Size: size, Overlap: overlap}
		text = strings.TrimSpace(strings.ToValidUTF8(text, ""))
		if config.Validate() != nil || size > 10_000 || text == "" || level < 0 || level > 6 {
			return // not what a reader gives
		}
		blocks := []extract.Block{{Level: level, Text: text}, {Text: text, Page: 2}}
		check(t, config, blocks, cutUp(t, config, blocks...))
	})
}
