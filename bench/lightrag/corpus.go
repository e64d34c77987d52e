package main

import (
	"fmt"
	"regexp"
	"strings"
)

// Each workspace has one document, which contradicts all others' in the one thing that is asked for.

// workspaceName is the name of the i-th workspace.
func workspaceName(i int) string { return fmt.Sprintf("w%05d", i) }

// marker is what the i-th workspace's document says and no other.
func marker(i int) string { return fmt.Sprintf("Keeper%05d", i) }

func document(i int) string {
	return fmt.Sprintf("The Lighthouse stands on the Rock. %[1]s lights the Lighthouse every evening. %[1]s writes the Journal, and %[1]s reads it.", marker(i)) +
		strings.Repeat(" What else is known of the coast is known to everybody.", 20)
}

// question asks for the marker. Each is another text, so that no answer comes from a cache of answers.
func question(n int) string {
	return fmt.Sprintf(`{"query":"Who lights the Lighthouse on the Rock in the evening %d?","mode":"mix"}`, n)
}

var markers = regexp.MustCompile(`Keeper\d{5}`)

// verdict says whether an answer of the i-th workspace holds its own marker, and whether another's.
func verdict(answer []byte, i int) (known, foreign bool) {
	for _, found := range markers.FindAllString(string(answer), -1) {
		if found == marker(i) {
			known = true
		} else {
			foreign = true
		}
	}
	return known, foreign
}
