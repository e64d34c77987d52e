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
	Stem  string // what to compare with Stems
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

// Stems is the set of all stems of a text.
func Stems(s string) map[string]bool {
	found := make(map[string]bool)
	words(s, func(word string, unspaced bool) {
		if unspaced {
			found[word] = true
		} else {
			found[stem(word)] = true
		}
	})
	return found
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
	for _, word := range strings.FieldsFunc(fold(s), func(r rune) bool { return !isToken(r) }) {
		start := 0
		runes := []rune(word)
		for start < len(runes) {
			end := start + 1
			for end < len(runes) && isUnspaced(runes[end]) == isUnspaced(runes[start]) {
				end++
			}
			run := runes[start:end]
			switch {
			case !isUnspaced(run[0]):
				f(string(run), false)
			case len(run) == 1:
				f(string(run), true)
			default:
				for i := range len(run) - 1 {
					f(string(run[i:i+2]), true)
				}
			}
			start = end
		}
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
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Co, r)
}

func isUnspaced(r rune) bool {
	return r >= 0x2E80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}
