package fakellm

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// The marks by which LightRAG's prompts are told apart, and the delimiters of its extraction format.
const (
	inputText     = "---Input Text---"
	missedBefore  = "Based on the last extraction task"
	keywordsWish  = "high_level_keywords"
	contextMark   = "---Context---"
	queryMark     = "User Query:"
	listMark      = "Description List:"
	between       = "<|#|>"
	complete      = "<|COMPLETE|>"
	maxNames      = 20
	noContextText = "Without a context I was asked: "
	contextText   = "The context says: "
)

// answer makes the text that a model would give. The last message says what is wanted, those before it hold the rules.
func answer(messages []message) string {
	if len(messages) == 0 {
		return ""
	}
	var system strings.Builder
	for _, m := range messages[:len(messages)-1] {
		if m.Role == "system" {
			system.WriteString(string(m.Content))
			system.WriteString("\n")
		}
	}
	last := string(messages[len(messages)-1].Content)
	switch {
	case strings.Contains(last, missedBefore):
		return complete // nothing was missed
	case strings.Contains(last, inputText):
		_, text, _ := strings.Cut(last, inputText+"\n")
		return extract(fenced(text))
	case strings.Contains(last, listMark):
		_, list, _ := strings.Cut(last, listMark)
		return strings.TrimSpace(fenced(list))
	case strings.Contains(last, keywordsWish):
		return keywords(last)
	}
	if _, context, found := strings.Cut(system.String(), contextMark); found {
		return contextText + strings.TrimSpace(context)
	}
	return noContextText + last
}

// fenced gives what stands between the first and the last fence of a text; all of it where there is none.
func fenced(text string) string {
	const fence = "```"
	begin, end := strings.Index(text, fence), strings.LastIndex(text, fence)
	if begin < 0 || end <= begin {
		return text
	}
	return text[begin+len(fence) : end]
}

// extract makes an entity of each name in the text, described by the sentence in which it stands first, and a relation
// of each two that follow each other there.
func extract(text string) string {
	var entities, relations []string
	known := map[string]bool{}
	for _, sentence := range sentences(text) {
		previous := ""
		for _, name := range names(sentence) {
			if !known[name] && len(known) < maxNames {
				known[name] = true
				entities = append(entities, strings.Join([]string{"entity", name, "Concept", sentence}, between))
			}
			if known[name] && previous != "" && previous != name {
				relations = append(relations, strings.Join([]string{"relation", previous, name, "stands with", sentence}, between))
			}
			if known[name] {
				previous = name
			}
		}
	}
	return strings.Join(append(append(entities, relations...), complete), "\n")
}

func sentences(text string) (list []string) {
	for sentence := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '.' || r == '\n' }) {
		if sentence = strings.TrimSpace(sentence); sentence != "" {
			list = append(list, sentence)
		}
	}
	return list
}

// names are the words that begin with a capital.
func names(sentence string) (list []string) {
	for _, word := range words(sentence) {
		if unicode.IsUpper([]rune(word)[0]) {
			list = append(list, word)
		}
	}
	return list
}

// words are the runs of letters, digits and underscores.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
}

// keywords sorts the words of a question by whether they begin with a capital.
func keywords(prompt string) string {
	at := strings.LastIndex(prompt, queryMark)
	if at < 0 {
		return `{"high_level_keywords":[],"low_level_keywords":[]}`
	}
	query, _, _ := strings.Cut(prompt[at+len(queryMark):], "\n")
	kinds := struct {
		High []string `json:"high_level_keywords"`
		Low  []string `json:"low_level_keywords"`
	}{[]string{}, []string{}}
	for _, word := range words(query) {
		if unicode.IsUpper([]rune(word)[0]) {
			kinds.Low = append(kinds.Low, word)
		} else {
			kinds.High = append(kinds.High, word)
		}
	}
	text, err := json.Marshal(kinds)
	if err != nil {
		return fmt.Sprintf("cannot write the keywords: %v", err) // texts can always be written
	}
	return string(text)
}
