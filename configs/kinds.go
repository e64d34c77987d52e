package configs

import (
	"embed"
	"fmt"

	"workspace-router/internal/kind"
)

//go:embed kinds/*.yaml
var kindFiles embed.FS

// Shipped decodes the kinds that come with the router, by name. Each call gives fresh ones.
func Shipped() (map[string]*kind.Kind, error) {
	entries, err := kindFiles.ReadDir("kinds")
	if err != nil {
		return nil, fmt.Errorf("cannot list the shipped kinds: %w", err)
	}
	kinds := make(map[string]*kind.Kind, len(entries))
	for _, entry := range entries {
		data, err := kindFiles.ReadFile("kinds/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("cannot read the shipped kind %q: %w", entry.Name(), err)
		}
		profile, err := kind.Decode("kinds/"+entry.Name(), data)
		if err != nil {
			return nil, fmt.Errorf("cannot use the shipped kind %q: %w", entry.Name(), err)
		}
		kinds[profile.Name] = profile
	}
	return kinds, nil
}
