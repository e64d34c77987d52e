package answer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Reference is a document that an answer rests on, in LightRAG's form, with what this engine knows beyond it.
type Reference struct {
	ID       string   `json:"reference_id"`
	FilePath string   `json:"file_path"`
	Source   string   `json:"source"`            // for people: the file, and the pages where there are pages
	Content  []string `json:"content,omitempty"` // the passages
}

// reference numbers the documents of passages in the order of their best passage, and notes the numbers in the passages.
func reference(passages []Passage) []Reference {
	references := []Reference{}
	number := make(map[string]int) // by document id
	pages := make(map[string][]int)
	for i := range passages {
		p := &passages[i]
		p.Source = p.FilePath + pageText(pageRange(p.FirstPage, p.LastPage))
		n, ok := number[p.DocumentID]
		if !ok {
			n = len(references)
			number[p.DocumentID] = n
			references = append(references, Reference{ID: strconv.Itoa(n + 1), FilePath: p.FilePath})
		}
		p.Reference = references[n].ID
		references[n].Content = append(references[n].Content, p.Text)
		pages[p.DocumentID] = append(pages[p.DocumentID], pageRange(p.FirstPage, p.LastPage)...)
		references[n].Source = p.FilePath + pageText(pages[p.DocumentID])
	}
	return references
}

func pageRange(first, last int) []int {
	var pages []int
	for page := first; page > 0 && page <= last; page++ {
		pages = append(pages, page)
	}
	return pages
}

// pageText is ", page 3", ", pages 3, 4", or nothing.
func pageText(pages []int) string {
	pages = slices.Clone(pages)
	slices.Sort(pages)
	pages = slices.Compact(pages)
	switch len(pages) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", page %d", pages[0])
	}
	texts := make([]string, len(pages))
	for i, page := range pages {
		texts[i] = strconv.Itoa(page)
	}
	return ", pages " + strings.Join(texts, ", ")
}

// Bare is a copy of references without their passages.
func Bare(references []Reference) []Reference {
	bare := slices.Clone(references)
	for i := range bare {
		bare[i].Content = nil
	}
	return bare
}
