package process

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"workspace-router/internal/kind"
	"workspace-router/supervisor"
)

// values is what the templates of one launch stand for. It holds the launch's secret and is never logged.
type values struct {
	spec    supervisor.Spec
	dir     string // of the workspace
	run     string // of the launch
	socket  string
	program string
	ports   portSet
	nonce   string
	secret  string
}

func (d *Driver) values(spec supervisor.Spec, program string, ports portSet) values {
	launch := string(spec.Launch)
	return values{
		spec: spec, program: program, ports: ports,
		dir: filepath.Join(d.config.Data, "workspaces", spec.Ref.String()),
		run: d.data.RunDir(launch), socket: d.data.Socket(launch),
		nonce: fresh(), secret: fresh(),
	}
}

func (v values) value(name string) (string, bool) {
	switch name {
	case "dir":
		return v.dir, true
	case "run":
		return v.run, true
	case "socket":
		return v.socket, true
	case "tenant":
		return string(v.spec.Ref.Tenant), true
	case "workspace":
		return v.spec.Ref.String(), true
	case "worker_name":
		return v.spec.WorkerName, true
	case "generation":
		return string(v.spec.Ref.Generation), true
	case "nonce":
		return v.nonce, true
	case "secret":
		return v.secret, true
	case "program_dir":
		return filepath.Dir(v.program), true
	}
	if place, found := strings.CutPrefix(name, "place:"); found {
		return v.place(place)
	}
	port, found := v.ports[name]
	return strconv.Itoa(port), found
}

// expand replaces the placeholders of a template.
func (v values) expand(template string) (string, error) {
	text, err := kind.Expand(template, v.value)
	if err != nil {
		return "", fmt.Errorf("cannot use the kind %q: %w", v.spec.Kind.Name, err)
	}
	return text, nil
}

func (v values) expandAll(templates []string) ([]string, error) {
	texts := make([]string, len(templates))
	for i, template := range templates {
		text, err := v.expand(template)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}

// header expands what each request to the worker carries.
func (v values) header(inject map[string]string) (http.Header, error) {
	header := http.Header{}
	for name, template := range inject {
		text, err := v.expand(template)
		if err != nil {
			return nil, err
		}
		header.Set(name, text)
	}
	return header, nil
}
