package chroma

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// deepestFilter bounds how far filters are looked into. What is deeper is left to Chroma, which refuses it.
const deepestFilter = 64

// wrap gives a filter in the form that Chroma wants: one key in each object, several beside each other below "$and". What
// says nothing, {} or null, is nil. What is no filter stays as it is, for Chroma to refuse. It reads and writes the filter
// once, whatever is in it: nobody has shown a key yet.
func wrap(filter json.RawMessage) json.RawMessage {
	decoder := json.NewDecoder(bytes.NewReader(filter))
	decoder.UseNumber()
	var given any
	if decoder.Decode(&given) != nil {
		return filter
	}
	wrapped, fits := wrapValue(given, 0)
	if !fits {
		return filter
	}
	if wrapped == nil {
		return nil
	}
	text, err := json.Marshal(wrapped)
	if err != nil {
		return filter
	}
	return text
}

// wrapValue is wrap of a decoded filter; fits is false for one that is too deep.
func wrapValue(filter any, depth int) (wrapped any, fits bool) {
	if depth > deepestFilter {
		return nil, false
	}
	keys, isFilter := filter.(map[string]any)
	if !isFilter {
		return filter, true
	}
	var parts []any
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		values, fits := simple(key, keys[key], depth)
		if !fits {
			return nil, false
		}
		for _, value := range values {
			parts = append(parts, map[string]any{key: value})
		}
	}
	switch len(parts) {
	case 0:
		return nil, true
	case 1:
		return parts[0], true
	}
	return map[string]any{"$and": parts}, true
}

// simple gives the values that stand for one: below "$and" and "$or" each filter is wrapped; of a field that is compared in
// several ways each way is a value of its own.
func simple(key string, value any, depth int) (values []any, fits bool) {
	if list, several := value.([]any); several && (key == "$and" || key == "$or") {
		for i := range list {
			one, fits := wrapValue(list[i], depth+1)
			if !fits {
				return nil, false
			}
			if one != nil {
				list[i] = one
			}
		}
		return []any{list}, true
	}
	ways, compared := value.(map[string]any)
	if key == "" || key[0] == '$' || !compared || len(ways) < 2 {
		return []any{value}, true
	}
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		values = append(values, map[string]any{way: ways[way]})
	}
	return values, true
}
