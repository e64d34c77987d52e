package kind

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// ownPlaces checks the places of the profile itself.
func (v *validator) ownPlaces() {
	for _, name := range slices.Sorted(maps.Keys(v.places)) {
		p, field := v.places[name], "places."+name
		if placeholder, _, found := nextPlaceholder("{" + name + "}"); !found || placeholder != name || strings.Contains(name, ":") {
			v.at(field, "got the name %q, want one of a-z 0-9 _ -", name)
		}
		if strings.HasPrefix(p.Path, "{dir}/") {
			v.place(p.Path, field+".path")
		} else {
			v.at(field+".path", "got %q, want a path that begins with {dir}/", p.Path)
		}
		if strings.Contains(p.Path, "{place:") {
			v.at(field+".path", "got %q, but a place cannot lie in another", p.Path)
		}
		if p.Given != "" {
			v.environmentName(p.Given, field+".given")
		}
		if p.Usual != "" && (path.IsAbs(p.Usual) || path.Clean(p.Usual) != p.Usual || p.Usual == ".." || strings.HasPrefix(p.Usual, "../")) {
			v.at(field+".usual", "got %q, want a plain path below the working directory, such as rag_storage", p.Usual)
		}
	}
}
