package kind

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Decode reads one profile from YAML, fills in the defaults, validates it and compiles its routes. source names the
// file in messages. The error is of type Problems and holds everything that is wrong, so that a profile can be put
// right in one go: an unknown key, a value of the wrong form, and every rule of Validate.
func Decode(source string, data []byte) (*Kind, error) {
	d := &decoder{source: source, lines: map[string]int{}}
	k := d.file(data)
	if k != nil {
		v := validator{decoder: d, places: k.Places}
		v.zeros(k)
		k.applyDefaults()
		v.kind(k)
	}
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, d.problems
	}
	k.matcher = newMatcher(k)
	return k, nil
}

// Validate fills in the defaults of a profile that was made in code, checks it and compiles its routes. It is what
// Decode does after reading; a profile must not be changed afterwards.
func (k *Kind) Validate() error {
	d := &decoder{source: fmt.Sprintf("kind %q", k.Name), lines: map[string]int{}}
	k.applyDefaults()
	v := validator{decoder: d, places: k.Places}
	v.kind(k)
	if len(d.problems) > 0 {
		return d.problems
	}
	k.matcher = newMatcher(k)
	return nil
}

// decoder fills a Kind from a YAML tree and keeps the line of each field, so that later checks can name it.
type decoder struct {
	source   string
	lines    map[string]int // line of each field that the file gives, by path
	problems Problems
}

// file parses data and decodes its one document; nil where there is nothing that could be checked further.
func (d *decoder) file(data []byte) *Kind {
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		d.syntax(err)
		return nil
	}
	documents := slices.DeleteFunc(tree.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	switch len(documents) {
	case 0:
		d.add(0, "", "the file is empty, want one kind")
		return nil
	case 1:
	default:
		d.add(line(documents[1].Body), "", "a second document, want one kind a file")
		return nil
	}
	root := documents[0].Body
	if root.Type() != ast.MappingType {
		d.add(line(root), "", "got "+describe(root)+", want a mapping such as `name: …`")
		return nil
	}
	k := &Kind{}
	d.value(root, "", reflect.ValueOf(k).Elem())
	return k
}

// syntax reports what the parser could not read.
func (d *decoder) syntax(err error) {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		d.add(located.GetToken().Position.Line, "", "cannot read the YAML: "+located.GetMessage())
		return
	}
	d.add(0, "", fmt.Sprintf("cannot read the YAML: %v", err))
}

func (d *decoder) add(line int, field, text string) {
	d.problems = append(d.problems, Problem{Source: d.source, Line: line, Field: field, Text: text})
}

// at reports a problem of the field that path names. Where the file does not give the field, as with one that is
// missing, the line of the nearest thing around it is named.
func (d *decoder) at(path, format string, args ...any) {
	d.add(d.line(path), path, fmt.Sprintf(format, args...))
}

func (d *decoder) line(path string) int {
	for {
		if n, found := d.lines[path]; found {
			return n
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return d.lines[""]
		}
		path = path[:cut]
	}
}

// given reports whether the file gives the field.
func (d *decoder) given(path string) bool {
	_, found := d.lines[path]
	return found
}
