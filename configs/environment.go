package configs

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
)

// prefix begins the names of the router's own environment variables.
const prefix = "ROUTER_"

// Names with the router's prefix that are no configuration keys.
const (
	EnvironmentConfig = "ROUTER_CONFIG" // the configuration file
	EnvironmentURL    = "ROUTER_URL"    // the server that the command line talks to
	EnvironmentKey    = "ROUTER_KEY"    // the key that it uses
)

// processOnly reports whether the name is needed before a .env file can be read, or by the command line alone.
func processOnly(name string) bool {
	return name == EnvironmentConfig || name == EnvironmentURL || name == EnvironmentKey
}

// environmentReader turns the environment into a layer. An empty variable counts as not set.
type environmentReader struct {
	variables map[string]string
	sources   map[string]string // name → the .env file that it came from, for those that did
	used      map[string]bool
	layer     layer
	problems  Problems
}

func newEnvironmentReader(variables, sources map[string]string) *environmentReader {
	return &environmentReader{
		variables: variables, sources: sources, layer: newLayer(),
		used: map[string]bool{EnvironmentConfig: true, EnvironmentURL: true, EnvironmentKey: true},
	}
}

func (r *environmentReader) place(name string) string {
	if source, found := r.sources[name]; found {
		return fmt.Sprintf("ENV %s (%s)", name, source)
	}
	return "ENV " + name
}

func (r *environmentReader) set(k Key, key, variable string) {
	if problem, ok := r.layer.set(k, key, r.variables[variable], r.place(variable)); !ok {
		r.problems = append(r.problems, problem)
	}
}

// read takes the keys whose names are fixed: the router's own name first, then those of other programs.
func (r *environmentReader) read(keys []Key) {
	for _, k := range keys {
		if strings.Contains(k.Name, "*") {
			continue
		}
		for i, name := range slices.Concat([]string{environmentName(k.Name)}, k.Legacy) {
			if i == 0 {
				r.used[name] = true
			}
			if r.variables[name] != "" {
				r.set(k, k.Name, name)
				break
			}
		}
	}
	r.readHostAndPort(keys, "listen", "HOST", "PORT", Defaults().Listen)
	r.readHostAndPort(keys, "projects.listen", "CHROMA_HOST", "CHROMA_PORT", usualProjectsListen)
}

// readHostAndPort makes an address that is not given of two variables; either may be missing.
func (r *environmentReader) readHostAndPort(keys []Key, key, hostName, portName, usual string) {
	host, port := r.variables[hostName], r.variables[portName]
	if _, set := r.layer.values[key]; set || host == "" && port == "" {
		return
	}
	listen, _ := find(keys, key)
	place := r.place(portName)
	if port == "" {
		place = r.place(hostName)
	}
	defaultHost, defaultPort, _ := net.SplitHostPort(usual)
	if host == "" {
		host = defaultHost
	}
	if port == "" {
		port = defaultPort
	}
	if problem, ok := r.layer.set(listen, key, net.JoinHostPort(strings.Trim(host, "[]"), port), place); !ok {
		r.problems = append(r.problems, problem)
	}
}

// readKinds takes ROUTER_KIND_<KIND>_… for the kinds that there are.
func (r *environmentReader) readKinds(keys []Key, kinds []string) {
	for _, variable := range slices.Sorted(maps.Keys(r.variables)) {
		for _, kind := range kinds {
			rest, found := strings.CutPrefix(variable, environmentName("kind."+kind)+"_")
			if !found || r.used[variable] {
				continue
			}
			name := "kind." + kind + "." + strings.ToLower(rest)
			if forWorkers, found := strings.CutPrefix(rest, "ENVIRONMENT_"); found {
				name = "kind." + kind + ".environment." + forWorkers
			}
			if k, known := find(keys, name); known {
				r.used[variable] = true
				if r.variables[variable] != "" {
					r.set(k, name, variable)
				}
			}
		}
	}
}

// unknown warns of the names with the router's prefix that mean nothing. They are no errors: Kubernetes gives every
// container variables named after the services around it.
func (r *environmentReader) unknown(keys []Key) (list []Warning) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = environmentName(k.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.variables)) {
		if _, fromFile := r.sources[name]; fromFile && processOnly(name) {
			list = append(list, Warning{Place: r.place(name), Text: "has no effect here: it is read from the process's environment only"})
			continue
		}
		if !strings.HasPrefix(name, prefix) || r.used[name] {
			continue
		}
		text := "has no effect: there is no such configuration key"
		if near := nearest(name, names); near != "" {
			text += fmt.Sprintf(", did you mean %s?", near)
		}
		list = append(list, Warning{Place: r.place(name), Text: text})
	}
	return list
}
