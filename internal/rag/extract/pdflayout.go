package extract

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	repeatedOnPages = 0.5 // share of the pages on which a running line stands
	fewestPages     = 4   // of a document that has running lines
	sectionPages    = 3   // of a section whose name and page number run over them
	edgeLines       = 2   // of a page, from its top and its bottom, that may be running
)

// dropRunningLines removes headers and footers: lines at the edges of the pages that stand, but for their numbers, on
// many of them.
func dropRunningLines(pages [][]line) {
	if len(pages) < fewestPages {
		return
	}
	seen := make(map[string]int)
	for _, lines := range pages {
		for _, key := range edgeKeys(lines) {
			seen[key]++
		}
	}
	for i, lines := range pages {
		keys := edgeKeys(lines)
		pages[i] = slices.DeleteFunc(slices.Clone(lines), func(l line) bool {
			key := runningKey(l)
			often := float64(seen[key]) > repeatedOnPages*float64(len(pages)) || seen[key] >= sectionPages && strings.Contains(key, "#")
			return often && slices.Contains(keys, key)
		})
	}
}

// edgeKeys are the different lines at a page's edges.
func edgeKeys(lines []line) []string {
	byHeight := slices.Clone(lines)
	slices.SortStableFunc(byHeight, func(a, b line) int {
		switch {
		case a.y > b.y:
			return -1
		case a.y < b.y:
			return 1
		}
		return 0
	})
	var keys []string
	for i, l := range byHeight {
		if i < edgeLines || i >= len(byHeight)-edgeLines {
			keys = append(keys, runningKey(l))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// runningKey is a line without the numbers that differ from page to page, also small Roman ones.
func runningKey(l line) string {
	words := strings.Fields(l.text)
	for i, w := range words {
		if strings.ContainsFunc(w, unicode.IsDigit) || strings.Trim(w, "ivxlc") == "" {
			words[i] = "#"
		}
	}
	return strings.Join(words, " ")
}

// bodySize is the size that most of the text has.
func bodySize(pages [][]line) float64 {
	letters := make(map[float64]int)
	for _, lines := range pages {
		for _, l := range lines {
			letters[rounded(l.size)] += len(l.text)
		}
	}
	var body float64
	for size, n := range letters {
		if n > letters[body] || n == letters[body] && size < body {
			body = size
		}
	}
	return body
}

func rounded(size float64) float64 { return math.Round(size*2) / 2 }

// headingLevels gives the sizes that stand out their levels, the largest first.
func headingLevels(pages [][]line, body float64) map[float64]int {
	var sizes []float64
	for _, lines := range pages {
		for _, l := range lines {
			if size := rounded(l.size); size > body*sizeChange && !slices.Contains(sizes, size) {
				sizes = append(sizes, size)
			}
		}
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	levels := make(map[float64]int)
	for i, size := range sizes {
		levels[size] = min(i+1, deepestSize)
	}
	return levels
}

const (
	deepestSize  = 4   // level of the smallest of many sizes of headings
	boldLevel    = 5   // of a heading that is bold and no larger than the text
	longHeading  = 150 // characters
	paragraphGap = 1.3 // factor by which a gap is wider than that between lines
)

// paragraphs puts the lines of a page together.
func paragraphs(lines []line, levels map[float64]int) []Block {
	var blocks []Block
	usual := usualGap(lines)
	for i, l := range lines {
		level := headingOf(l, levels)
		if n := len(blocks) - 1; i > 0 && continues(lines[i-1], l, usual, blocks[n].Level, level) {
			blocks[n].Text = join(blocks[n].Text, l.text)
			continue
		}
		blocks = append(blocks, Block{Level: level, Text: l.text})
	}
	for i := range blocks {
		if utf8.RuneCountInString(blocks[i].Text) > longHeading {
			blocks[i].Level = 0
		}
	}
	return blocks
}

// headingOf is a line's level: by its size, or for a bold one that does not end like a sentence.
func headingOf(l line, levels map[float64]int) int {
	if !strings.ContainsFunc(l.text, unicode.IsLetter) {
		return 0
	}
	if level := levels[rounded(l.size)]; level > 0 {
		return level
	}
	if l.bold && !strings.HasSuffix(l.text, ".") && !strings.HasSuffix(l.text, ",") {
		return boldLevel
	}
	return 0
}

func continues(before, l line, usual float64, levelBefore, level int) bool {
	gap := before.y - l.y
	if level != levelBefore || gap < -sameLine*l.size {
		return false
	}
	if level > 0 {
		return gap < 2*l.size
	}
	return gap <= max(usual, l.size)*paragraphGap
}

// usualGap is the median distance of a page's lines.
func usualGap(lines []line) float64 {
	var gaps []float64
	for i := 1; i < len(lines); i++ {
		if gap := lines[i-1].y - lines[i].y; gap > 0 {
			gaps = append(gaps, gap)
		}
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// join appends a line to a paragraph, and puts a word together that was divided at the line's end.
func join(text, next string) string {
	if stem, ok := strings.CutSuffix(text, "-"); ok {
		before, _ := utf8.DecodeLastRuneInString(stem)
		first, _ := utf8.DecodeRuneInString(next)
		if unicode.IsLower(before) && unicode.IsLower(first) {
			return stem + next
		}
		return text + next
	}
	return text + " " + next
}
