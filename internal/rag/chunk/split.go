package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// split cuts off the longest beginning of text that has at most size characters and ends where a reader would pause: a
// line's end, a sentence's, a word's, in this order of preference. A word is torn only where it fills all of it.
func split(text string, size int) (piece, rest string) {
	end := offset(text, size)
	if end == len(text) {
		return text, ""
	}
	// A pause in the first half would leave many small passages.
	half := end / 2
	if at := strings.LastIndexByte(text[half:end], '\n'); at >= 0 {
		return text[:half+at], strings.TrimLeft(text[half+at:], "\n")
	}
	if at := lastSentence(text[half:end]); at > 0 {
		return text[:half+at], strings.TrimLeft(text[half+at:], " ")
	}
	if at := strings.LastIndexAny(text[:end], " \n"); at > 0 {
		return text[:at], strings.TrimLeft(text[at:], " \n")
	}
	return text[:end], text[end:]
}

// tail is the end of text, of at most size characters, beginning at a sentence, or else at a word.
func tail(text string, size int) string {
	start := len(text)
	for range size {
		if start == 0 {
			break
		}
		_, width := utf8.DecodeLastRuneInString(text[:start])
		start -= width
	}
	if start == len(text) || start == 0 {
		return "" // nothing wanted, or all of it, which would repeat a whole passage
	}
	end := text[start:]
	if at := firstSentence(end); at > 0 {
		return strings.TrimSpace(end[at:])
	}
	if at := strings.IndexAny(end, " \n"); at >= 0 {
		return strings.TrimSpace(end[at:])
	}
	return ""
}

// cut is the beginning of text, of at most size characters.
func cut(text string, size int) string { return text[:offset(text, size)] }

// offset is the number of bytes of the first size characters.
func offset(text string, size int) int {
	if len(text) <= size {
		return len(text)
	}
	n := 0
	for i := range text {
		if n == size {
			return i
		}
		n++
	}
	return len(text)
}

// lastSentence is the offset behind the last sentence that ends in text, 0 if none does.
func lastSentence(text string) int {
	end := 0
	for at := firstSentence(text); at > 0; at = firstSentence(text[end:]) {
		end += at
	}
	return end
}

// firstSentence is the offset behind the first sentence that ends in text, before its end; 0 if none does.
func firstSentence(text string) int {
	for i, r := range text {
		after := i + utf8.RuneLen(r)
		switch r {
		case '.', '!', '?':
			next, _ := utf8.DecodeRuneInString(text[after:])
			if after < len(text) && unicode.IsSpace(next) {
				return after
			}
		case '。', '！', '？':
			if after < len(text) {
				return after
			}
		}
	}
	return 0
}
