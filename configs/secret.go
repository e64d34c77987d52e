package configs

import (
	"fmt"
	"maps"
	"slices"
)

// masked stands for a secret wherever it would be printed.
const masked = "********"

// Secret is a value that must not be shown. Printing or marshalling it in any way gives a mask; Reveal gives the value.
type Secret struct{ value string }

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal gives the value, for the one place that needs it.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether no value is set.
func (s Secret) IsZero() bool { return s.value == "" }

// String is a mask, or empty where no value is set.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return masked
}

// Format masks under every verb, those that reach into structs included.
func (s Secret) Format(state fmt.State, _ rune) { fmt.Fprint(state, s.String()) }

// MarshalText writes the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the value.
func (s *Secret) UnmarshalText(text []byte) error {
	s.value = string(text)
	return nil
}

// Environment is a set of environment variables. Printing it shows how many they are, never one of them.
type Environment struct{ variables map[string]string }

// Lookup gives one variable.
func (e Environment) Lookup(name string) (value string, found bool) {
	value, found = e.variables[name]
	return value, found
}

// Variables gives a copy of all of them, by name.
func (e Environment) Variables() map[string]string { return maps.Clone(e.variables) }

// List gives the variables as NAME=value, sorted, as os.Environ does.
func (e Environment) List() []string {
	list := make([]string, 0, len(e.variables))
	for _, name := range slices.Sorted(maps.Keys(e.variables)) {
		list = append(list, name+"="+e.variables[name])
	}
	return list
}

// Format shows only how many variables there are.
func (e Environment) Format(state fmt.State, _ rune) {
	fmt.Fprintf(state, "environment of %d variables", len(e.variables))
}

// MarshalText writes what Format does.
func (e Environment) MarshalText() ([]byte, error) { return fmt.Append(nil, e), nil }
