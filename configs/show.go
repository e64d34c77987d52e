package configs

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Setting is one key with the value that is in force.
type Setting struct {
	Key   string `json:"key"`
	Value any    `json:"value"` // string, bool, int64 or []string; secrets are masked, an unset key is nil
	From  string `json:"from"`  // the place that decided it, or "default"
}

// Settings lists every key with its value, in the order of Keys; the keys of a kind as far as they are given.
func (c *Config) Settings() []Setting {
	list := c.revealed()
	for i := range list {
		list[i].Value = shown(list[i].Value)
	}
	return list
}

// shown masks a secret, and makes nothing of an empty value.
func shown(value any) any {
	if secret, ok := value.(Secret); ok {
		value = secret.String()
	}
	if value == "" {
		return nil
	}
	return value
}

// revealed is Settings with each secret as a Secret, so that two of them can be compared.
func (c *Config) revealed() []Setting {
	values := map[string]any{}
	flatten(reflect.ValueOf(*c), "", values)
	var list []Setting
	for _, k := range Keys() {
		names := []string{k.Name}
		if strings.Contains(k.Name, "*") {
			names = slices.DeleteFunc(slices.Sorted(maps.Keys(values)), func(name string) bool {
				return !matches(strings.Split(k.Name, "."), strings.Split(name, ".")) || c.origins[name] == ""
			})
		}
		for _, name := range names {
			setting := Setting{Key: name, Value: values[name], From: c.origins[name]}
			if setting.From == "" {
				setting.From = "default"
			}
			list = append(list, setting)
		}
	}
	return list
}

// YAML writes the configuration as a file that Load reads, but for the secrets, which are masked.
func (c *Config) YAML() ([]byte, error) {
	root := yaml.MapSlice{}
	for _, setting := range c.Settings() {
		if setting.Value != nil {
			insert(&root, strings.Split(setting.Key, "."), setting.Value)
		}
	}
	content, err := yaml.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("cannot write the configuration: %w", err)
	}
	return content, nil
}

// insert puts a value at its place in nested maps that keep their order.
func insert(into *yaml.MapSlice, path []string, value any) {
	if len(path) == 1 {
		*into = append(*into, yaml.MapItem{Key: path[0], Value: value})
		return
	}
	for i := range *into {
		if child, ok := (*into)[i].Value.(*yaml.MapSlice); ok && (*into)[i].Key == path[0] {
			insert(child, path[1:], value)
			return
		}
	}
	child := &yaml.MapSlice{}
	insert(child, path[1:], value)
	*into = append(*into, yaml.MapItem{Key: path[0], Value: child})
}

// flatten collects the leaves of a struct by their keys, each in the form in which it is written.
func flatten(v reflect.Value, prefix string, into map[string]any) {
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("koanf")
		if name == "" || name == "-" {
			continue
		}
		leaf(v.Field(i), prefix+name, into)
	}
}

func leaf(v reflect.Value, name string, into map[string]any) {
	switch value := v.Interface().(type) {
	case Secret:
		into[name] = value
	case *time.Duration:
		if value != nil {
			into[name] = value.String()
		}
	case encoding.TextMarshaler: // sizes
		text, _ := value.MarshalText() // it cannot fail
		into[name] = string(text)
	case time.Duration:
		into[name] = value.String()
	case []string:
		into[name] = value
		if value == nil {
			into[name] = nil
		}
	default:
		switch v.Kind() {
		case reflect.Struct:
			flatten(v, name+".", into)
		case reflect.Map:
			for _, key := range v.MapKeys() {
				leaf(v.MapIndex(key), name+"."+key.String(), into)
			}
		default:
			into[name] = value
		}
	}
}
