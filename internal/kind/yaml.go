package kind

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// value decodes node into target, which is settable. Whatever does not fit is reported and left out, so that one run
// finds all that is wrong.
func (d *decoder) value(node ast.Node, path string, target reflect.Value) {
	d.lines[path] = line(node)
	switch node.Type() {
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType:
		d.at(path, "got %s, want a plain value: a profile uses no anchors, aliases, tags or merge keys", describe(node))
		return
	case ast.NullType:
		d.at(path, "there is no value; leave the key out or give one")
		return
	}
	if unmarshaler, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := d.scalar(node, path); ok {
			if err := unmarshaler.UnmarshalText([]byte(text)); err != nil {
				d.at(path, "%v", err)
			}
		}
		return
	}
	switch target.Kind() {
	case reflect.Pointer:
		target.Set(reflect.New(target.Type().Elem()))
		d.value(node, path, target.Elem())
	case reflect.Struct:
		d.object(node, path, target)
	case reflect.Map:
		d.table(node, path, target)
	case reflect.Slice:
		d.list(node, path, target)
	default:
		if text, ok := d.scalar(node, path); ok {
			d.plain(text, path, target)
		}
	}
}

// entries gives the pairs of a mapping, or reports that node is none.
func (d *decoder) entries(node ast.Node, path string) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	d.at(path, "got %s, want a mapping", describe(node))
	return nil
}

func (d *decoder) object(node ast.Node, path string, target reflect.Value) {
	fields := fieldNames(target.Type())
	for _, entry := range d.entries(node, path) {
		key, ok := d.key(entry, path)
		if !ok {
			continue
		}
		i := slices.Index(fields, key)
		if i < 0 || key == "" {
			known := slices.DeleteFunc(slices.Clone(fields), func(name string) bool { return name == "" })
			d.add(line(entry.Key), join(path, key), fmt.Sprintf("unknown key, want one of %s", strings.Join(known, ", ")))
			continue
		}
		d.value(entry.Value, join(path, key), target.Field(i))
		d.lines[join(path, key)] = line(entry.Key)
	}
}

func (d *decoder) table(node ast.Node, path string, target reflect.Value) {
	entries := d.entries(node, path)
	target.Set(reflect.MakeMapWithSize(target.Type(), len(entries)))
	for _, entry := range entries {
		key, ok := d.key(entry, path)
		if !ok {
			continue
		}
		element := reflect.New(target.Type().Elem()).Elem()
		d.value(entry.Value, join(path, key), element)
		d.lines[join(path, key)] = line(entry.Key)
		target.SetMapIndex(reflect.ValueOf(key), element)
	}
}

func (d *decoder) list(node ast.Node, path string, target reflect.Value) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.at(path, "got %s, want a list", describe(node))
		return
	}
	target.Set(reflect.MakeSlice(target.Type(), len(sequence.Values), len(sequence.Values)))
	for i, element := range sequence.Values {
		d.value(element, fmt.Sprintf("%s[%d]", path, i), target.Index(i))
	}
}

// key gives the plain text of a mapping's key.
func (d *decoder) key(entry *ast.MappingValueNode, path string) (string, bool) {
	switch key := entry.Key.(type) {
	case *ast.StringNode:
		return key.Value, true
	case ast.ScalarNode:
		return key.GetToken().Value, true
	}
	d.add(line(entry.Key), path, "a key must be plain text, without `?`, `<<`, `&` or `*`")
	return "", false
}

// scalar gives the text of a scalar as it was written, unquoted: a number or a boolean is as good as a string where
// text is wanted, as in the value of an environment variable.
func (d *decoder) scalar(node ast.Node, path string) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	d.at(path, "got %s, want one value", describe(node))
	return "", false
}

var durationType = reflect.TypeFor[time.Duration]()

func (d *decoder) plain(text, path string, target reflect.Value) {
	switch {
	case target.Type() == durationType:
		duration, err := time.ParseDuration(text)
		if err != nil {
			d.at(path, "got %q, want a duration with a unit, such as 250ms, 10s, 2m", text)
			return
		}
		if duration <= 0 { // here, because a zero would otherwise be taken for a field that is not given
			d.at(path, "got %q, want more than 0", text)
			return
		}
		target.SetInt(int64(duration))
	case target.Kind() == reflect.String:
		target.SetString(text)
	case target.Kind() == reflect.Int:
		number, err := strconv.Atoi(text)
		if err != nil {
			d.at(path, "got %q, want a whole number", text)
			return
		}
		target.SetInt(int64(number))
	case target.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			d.at(path, "got %q, want true or false", text)
			return
		}
		target.SetBool(text == "true")
	}
}

// fieldNames gives the YAML name of each field of a struct; empty where it has none.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// line is where a node begins. A mapping's own token is the colon after its first key, so the key is asked.
func line(node ast.Node) int {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return line(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return line(n.Key)
	}
	return node.GetToken().Position.Line
}

// describe names what was found in words that an author of YAML knows.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode:
		return "an anchor"
	case *ast.AliasNode:
		return "an alias"
	case *ast.TagNode:
		return "a tag"
	case *ast.NullNode:
		return "nothing"
	case *ast.StringNode:
		return strconv.Quote(n.Value)
	}
	return strconv.Quote(node.GetToken().Value)
}
