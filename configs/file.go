package configs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// fileReader turns a YAML file into a layer. It walks the syntax tree rather than decoding into the struct, so that
// every problem of the file is found in one go, with its line.
type fileReader struct {
	name     string
	keys     []Key
	anchors  map[string]ast.Node
	layer    layer
	problems Problems
}

func readFile(name string, data []byte, keys []Key) (layer, Problems) {
	r := &fileReader{name: name, keys: keys, anchors: map[string]ast.Node{}, layer: newLayer()}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return r.layer, Problems{syntaxProblem(name, err)}
	}
	documents := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(documents) > 1 {
		r.report(documents[1].Body.GetToken(), "", "got a second document, want one")
		return r.layer, r.problems
	}
	for _, document := range documents {
		if body := r.resolve(document.Body); body != nil && body.Type() != ast.NullType {
			r.mapping(body, nil)
		}
	}
	return r.layer, r.problems
}

func syntaxProblem(name string, err error) Problem {
	var positioned yaml.Error
	if errors.As(err, &positioned) && positioned.GetToken() != nil && positioned.GetToken().Position != nil {
		return Problem{Place: fmt.Sprintf("%s:%d", name, positioned.GetToken().Position.Line), Text: positioned.GetMessage()}
	}
	return Problem{Place: name, Text: err.Error()}
}

func (r *fileReader) place(t *token.Token) string {
	if t == nil || t.Position == nil {
		return r.name
	}
	return fmt.Sprintf("%s:%d", r.name, t.Position.Line)
}

func (r *fileReader) report(t *token.Token, key, format string, arguments ...any) {
	r.problems = append(r.problems, Problem{Place: r.place(t), Key: key, Text: fmt.Sprintf(format, arguments...)})
}

// resolve replaces an alias by what its anchor named.
func (r *fileReader) resolve(node ast.Node) ast.Node {
	switch n := node.(type) {
	case *ast.AnchorNode:
		value := r.resolve(n.Value)
		r.anchors[n.Name.GetToken().Value] = value
		return value
	case *ast.AliasNode:
		if value, found := r.anchors[n.Value.GetToken().Value]; found {
			return value
		}
		return node
	case *ast.TagNode:
		return r.resolve(n.Value)
	}
	return node
}

func (r *fileReader) mapping(node ast.Node, parents []string) {
	entries, ok := node.(ast.MapNode)
	if !ok {
		r.report(node.GetToken(), strings.Join(parents, "."), "got %s, want keys with values", describe(node))
		return
	}
	for iterator := entries.MapRange(); iterator.Next(); {
		r.entry(iterator.KeyValue(), parents)
	}
}

func (r *fileReader) entry(pair *ast.MappingValueNode, parents []string) {
	parts := append(parents[:len(parents):len(parents)], pair.Key.GetToken().Value)
	name, value := strings.Join(parts, "."), r.resolve(pair.Value)
	k, known := find(r.keys, name)
	switch {
	case known:
		r.value(k, name, value)
	case group(r.keys, parts):
		if value.Type() != ast.NullType { // a heading whose keys are all commented out
			r.mapping(value, parts)
		}
	default:
		r.report(pair.Key.GetToken(), name, "unknown key%s", r.hint(name))
	}
}

func (r *fileReader) hint(name string) string {
	names := make([]string, len(r.keys))
	for i, k := range r.keys {
		names[i] = k.Name
	}
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return ", see docs/configuration.md"
}

func (r *fileReader) value(k Key, name string, node ast.Node) {
	if sequence, ok := node.(*ast.SequenceNode); ok && k.value.list {
		var list []string
		for _, entry := range sequence.Values {
			text, ok := scalar(r.resolve(entry))
			if !ok || text == "" {
				r.report(entry.GetToken(), name, "got %s, want %s", describe(entry), k.value.want)
				return
			}
			list = append(list, text)
		}
		r.layer.values[name], r.layer.places[name] = list, r.place(node.GetToken())
		return
	}
	text, ok := scalar(node)
	if !ok {
		r.report(node.GetToken(), name, "got %s, want %s", describe(node), k.value.want)
		return
	}
	if problem, ok := r.layer.set(k, name, text, r.place(node.GetToken())); !ok {
		r.problems = append(r.problems, problem)
	}
}

// scalar gives the text of a plain, quoted or block value as it was written.
func scalar(node ast.Node) (text string, ok bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

func describe(node ast.Node) string {
	switch node.(type) {
	case ast.MapNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.AliasNode:
		return "an alias without an anchor"
	}
	if text, ok := scalar(node); ok {
		return fmt.Sprintf("%q", text)
	}
	return "a " + strings.ToLower(node.Type().String())
}
