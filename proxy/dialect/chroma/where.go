package chroma

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// wrap gives a filter in the form that Chroma wants: one key in each object, several beside each other below "$and". What
// says nothing, {} or null, is nil. What is no filter stays as it is, for Chroma to refuse.
func wrap(filter json.RawMessage) json.RawMessage {
	if text := bytes.TrimSpace(filter); bytes.Equal(text, []byte("null")) {
		return nil
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(filter, &keys) != nil {
		return filter
	}
	if len(keys) == 0 {
		return nil
	}
	var parts []json.RawMessage
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, value := range simple(key, keys[key]) {
			part, err := json.Marshal(map[string]json.RawMessage{key: value})
			if err != nil {
				return filter
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 1 {
		return parts[0]
	}
	all, err := json.Marshal(map[string][]json.RawMessage{"$and": parts})
	if err != nil {
		return filter
	}
	return all
}

// simple gives the values that stand for one: below "$and" and "$or" each filter is wrapped; of a field that is compared in
// several ways each way is a value of its own.
func simple(key string, value json.RawMessage) []json.RawMessage {
	if key == "$and" || key == "$or" {
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil {
			return []json.RawMessage{value}
		}
		for i := range list {
			if wrapped := wrap(list[i]); wrapped != nil {
				list[i] = wrapped
			}
		}
		if joined, err := json.Marshal(list); err == nil {
			return []json.RawMessage{joined}
		}
		return []json.RawMessage{value}
	}
	var ways map[string]json.RawMessage
	if key == "" || key[0] == '$' || json.Unmarshal(value, &ways) != nil || len(ways) < 2 {
		return []json.RawMessage{value}
	}
	var values []json.RawMessage
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		one, err := json.Marshal(map[string]json.RawMessage{way: ways[way]})
		if err != nil {
			return []json.RawMessage{value}
		}
		values = append(values, one)
	}
	return values
}
