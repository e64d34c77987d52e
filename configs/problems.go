package configs

import "strings"

// Problem is one thing wrong with the configuration.
type Problem struct {
	Place string // "router.yaml:12", "ENV ROUTER_LISTEN", "--listen"; empty where it belongs to no one place
	Key   string // "pool.max_workers"; empty where no key is concerned
	Text  string // what is wrong, and what is allowed
}

// String is "PLACE: KEY: TEXT" without the parts that are empty.
func (p Problem) String() string {
	parts := make([]string, 0, 3)
	for _, part := range []string{p.Place, p.Key, p.Text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Problems is the error of Load: everything that was found wrong, one line each.
type Problems []Problem

func (list Problems) Error() string {
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Warning is something that has no effect although it was probably meant to have one.
type Warning = Problem

// nearest gives the candidate that is at most two edits away from word, or nothing.
func nearest(word string, candidates []string) string {
	best, least := "", 3
	for _, candidate := range candidates {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
