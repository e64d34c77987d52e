package terms

import "strings"

// stem is M. F. Porter's algorithm ("An algorithm for suffix stripping", Program 14(3), 1980), by which the index, too,
// reduces English words to what their forms have in common. Words that are not of the letters a to z stay as they are.
func stem(word string) string {
	if len(word) < 3 || len(word) > maxWord {
		return word
	}
	for i := range len(word) {
		if word[i] < 'a' || word[i] > 'z' {
			return word
		}
	}
	w := word
	w = plural(w)
	w = past(w)
	if rest, ok := strings.CutSuffix(w, "y"); ok && hasVowel(rest) {
		w = rest + "i"
	}
	w = replace(w, step2, 0)
	w = replace(w, step3, 0)
	w = replace(w, step4, 1)
	return final(w)
}

// maxWord bounds what is taken for a word.
const maxWord = 64

// plural is step 1a.
func plural(w string) string {
	switch {
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "ies"):
		return w[:len(w)-2]
	case strings.HasSuffix(w, "ss"):
		return w
	}
	return strings.TrimSuffix(w, "s")
}

// past is step 1b.
func past(w string) string {
	if rest, ok := strings.CutSuffix(w, "eed"); ok {
		if measure(rest) > 0 {
			return rest + "ee"
		}
		return w
	}
	rest, ok := strings.CutSuffix(w, "ed")
	if !ok {
		rest, ok = strings.CutSuffix(w, "ing")
	}
	if !ok || !hasVowel(rest) {
		return w
	}
	switch {
	case strings.HasSuffix(rest, "at"), strings.HasSuffix(rest, "bl"), strings.HasSuffix(rest, "iz"):
		return rest + "e"
	case doubled(rest) && !strings.HasSuffix(rest, "l") && !strings.HasSuffix(rest, "s") && !strings.HasSuffix(rest, "z"):
		return rest[:len(rest)-1]
	case measure(rest) == 1 && short(rest):
		return rest + "e"
	}
	return rest
}

// final is step 5.
func final(w string) string {
	if rest, ok := strings.CutSuffix(w, "e"); ok {
		if m := measure(rest); m > 1 || m == 1 && !short(rest) {
			w = rest
		}
	}
	if strings.HasSuffix(w, "ll") && measure(w) > 1 {
		w = w[:len(w)-1]
	}
	return w
}

type ending struct {
	from, to string
	after    string // if not empty, the letters one of which must stand before
}

// In each step the first ending that fits is the only one that is looked at; longer ones stand before those that they
// end in.
var (
	step2 = []ending{
		{"ational", "ate", ""}, {"tional", "tion", ""}, {"enci", "ence", ""}, {"anci", "ance", ""}, {"izer", "ize", ""}, {"bli", "ble", ""}, {"alli", "al", ""},
		{"entli", "ent", ""}, {"eli", "e", ""}, {"ousli", "ous", ""}, {"ization", "ize", ""}, {"ation", "ate", ""}, {"ator", "ate", ""}, {"alism", "al", ""},
		{"iveness", "ive", ""}, {"fulness", "ful", ""}, {"ousness", "ous", ""}, {"aliti", "al", ""}, {"iviti", "ive", ""}, {"biliti", "ble", ""}, {"logi", "log", ""},
	}
	step3 = []ending{
		{"icate", "ic", ""}, {"ative", "", ""}, {"alize", "al", ""}, {"iciti", "ic", ""}, {"ical", "ic", ""}, {"ful", "", ""}, {"ness", "", ""},
	}
	step4 = []ending{
		{"al", "", ""}, {"ance", "", ""}, {"ence", "", ""}, {"er", "", ""}, {"ic", "", ""}, {"able", "", ""}, {"ible", "", ""}, {"ant", "", ""}, {"ement", "", ""}, {"ment", "", ""},
		{"ent", "", ""}, {"ion", "", "st"}, {"ou", "", ""}, {"ism", "", ""}, {"ate", "", ""}, {"iti", "", ""}, {"ous", "", ""}, {"ive", "", ""}, {"ize", "", ""},
	}
)

// replace changes the ending of a word whose rest has a measure above least.
func replace(w string, endings []ending, least int) string {
	for _, e := range endings {
		rest, ok := strings.CutSuffix(w, e.from)
		if !ok || e.after != "" && (rest == "" || !strings.Contains(e.after, rest[len(rest)-1:])) {
			continue
		}
		if measure(rest) > least {
			return rest + e.to
		}
		return w
	}
	return w
}

// measure is the number of times that vowels are followed by consonants.
func measure(w string) int {
	m := 0
	for i := 1; i < len(w); i++ {
		if vowel(w, i-1) && !vowel(w, i) {
			m++
		}
	}
	return m
}

func hasVowel(w string) bool {
	for i := range len(w) {
		if vowel(w, i) {
			return true
		}
	}
	return false
}

// vowel says whether the letter at i is one; y is one behind a consonant.
func vowel(w string, i int) bool {
	switch w[i] {
	case 'a', 'e', 'i', 'o', 'u':
		return true
	case 'y':
		return i > 0 && !vowel(w, i-1)
	}
	return false
}

func doubled(w string) bool {
	n := len(w)
	return n >= 2 && w[n-1] == w[n-2] && !vowel(w, n-1)
}

// short says whether a word ends in consonant, vowel, consonant, the last not w, x or y.
func short(w string) bool {
	n := len(w)
	return n >= 3 && !vowel(w, n-3) && vowel(w, n-2) && !vowel(w, n-1) && !strings.ContainsAny(w[n-1:], "wxy")
}
