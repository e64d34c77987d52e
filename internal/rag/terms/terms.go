// Package terms finds the words of a text that matter and brings them to a form in which they can be compared: lower
// case, without accents, stemmed, as the index does it. Chinese, Japanese and Korean text, which has no spaces, is
// compared by pairs of characters. The package does no I/O and starts no goroutine.
package terms

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Term is a word of a question.
type Term struct {
	Match string // what to search the index for, as a phrase
	Stem  string // what to compare with the stems of a text
}

// Question is the words of a question that say what it is about, each once: all but stop words.
func Question(s string) []Term {
	var found []Term
	seen := make(map[string]bool)
	words(s, func(word string, unspaced bool) {
		if !unspaced && stopWords[word] {
			return
		}
		t := Term{Match: word, Stem: stem(word)}
		if unspaced {
			t = Term{Match: Segment(word), Stem: word}
		}
		if !seen[t.Stem] {
			seen[t.Stem] = true
			found = append(found, t)
		}
	})
	return found
}

// Matcher finds the words of a question in texts.
type Matcher struct {
	stems map[string]int // index of each
	first [256]bool      // bytes that stems begin with
}

// NewMatcher makes a matcher of a question's words.
func NewMatcher(words []Term) *Matcher {
	m := &Matcher{stems: make(map[string]int, len(words))}
	for i, w := range words {
		m.stems[w.Stem] = i
		m.first[w.Stem[0]] = true
	}
	return m
}

// Mark sets found[i] for each word i that is in the text.
func (m *Matcher) Mark(text string, found []bool) {
	words(text, func(word string, unspaced bool) {
		// A stem begins like its word, so most words need no stemming.
		if !m.first[word[0]] {
			return
		}
		if !unspaced {
			word = stem(word)
		}
		if i, ok := m.stems[word]; ok {
			found[i] = true
		}
	})
}

// Segment puts spaces between the characters of a script that is written without, so that the index makes a token of
// each and a phrase finds any run of them.
func Segment(s string) string {
	if !strings.ContainsFunc(s, isUnspaced) {
		return s
	}
	var out strings.Builder
	out.Grow(2 * len(s))
	for _, r := range s {
		if isUnspaced(r) {
			out.WriteByte(' ')
			out.WriteRune(r)
			out.WriteByte(' ')
		} else {
			out.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// words calls f with each word of s, folded, and with each pair of neighbours in a run of unspaced characters; a run of
// one is given alone.
func words(s string, f func(word string, unspaced bool)) {
	start, unspaced := -1, false
	folded := fold(s)
	end := func(at int) {
		if start < 0 {
			return
		}
		if unspaced {
			pairs(folded[start:at], f)
		} else {
			f(folded[start:at], false)
		}
		start = -1
	}
	for i, r := range folded {
		switch {
		case !isToken(r):
			end(i)
		case start < 0:
			start, unspaced = i, isUnspaced(r)
		case unspaced != isUnspaced(r):
			end(i)
			start, unspaced = i, isUnspaced(r)
		}
	}
	end(len(folded))
}

func pairs(run string, f func(string, bool)) {
	runes := []rune(run)
	if len(runes) == 1 {
		f(run, true)
		return
	}
	for i := range len(runes) - 1 {
		f(string(runes[i:i+2]), true)
	}
}

// fold makes lower case and removes accents.
func fold(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
}

// isToken says what the index takes for part of a word.
func isToken(r rune) bool {
	if r < 0x80 {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Co, r)
}

func isUnspaced(r rune) bool {
	return r >= 0x2E80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}
