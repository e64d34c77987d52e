package extract

import (
	"bufio"
	"encoding/hex"
	"io"
	"strings"
)

// cmapToken is an operand: a string of bytes, or a list of such.
type cmapToken struct {
	text string
	list []string // nil where it is no list
}

// readCMap reads a font's character map. That is a program in PostScript, but all that matters of it are strings in
// hexadecimal digits, lists of them, and the words behind them, which do is called with. What cannot be read is left out.
func readCMap(in io.Reader, do func(op string, args []cmapToken)) {
	r := bufio.NewReader(in)
	var args []cmapToken
	var list []string
	inList := false
	for {
		c, err := r.ReadByte()
		if err != nil {
			return
		}
		switch {
		case c == '<':
			text, ok := hexString(r)
			switch {
			case !ok:
			case inList:
				list = append(list, text)
			default:
				args = append(args, cmapToken{text: text})
			}
		case c == '[':
			inList, list = true, []string{}
		case c == ']' && inList:
			args = append(args, cmapToken{list: list})
			inList = false
		case c == '%':
			_, _ = r.ReadString('\n') // a comment; the next read meets the same end
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			op := string(c) + cmapWord(r)
			do(op, args)
			args = args[:0]
		}
		if len(args) > maxFontCodes || len(list) > maxFontCodes {
			return
		}
	}
}

// hexString reads up to the closing bracket. It is not one when it is the beginning of a dictionary.
func hexString(r *bufio.Reader) (string, bool) {
	raw, err := r.ReadString('>')
	if err != nil || strings.HasPrefix(raw, "<") {
		return "", false
	}
	digits := strings.Join(strings.Fields(strings.TrimSuffix(raw, ">")), "")
	if len(digits)%2 == 1 {
		digits += "0"
	}
	text, err := hex.DecodeString(digits)
	return string(text), err == nil
}

func cmapWord(r *bufio.Reader) string {
	var word strings.Builder
	for {
		c, err := r.ReadByte()
		if err != nil {
			return word.String()
		}
		if c < '0' || c > 'z' || c > '9' && c < 'A' || c > 'Z' && c < 'a' {
			_ = r.UnreadByte() // it was just read
			return word.String()
		}
		word.WriteByte(c)
	}
}
