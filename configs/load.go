package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/joho/godotenv"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"workspace-router/internal/kind"
)

// Source says where the configuration comes from.
type Source struct {
	File    string            // the YAML file; empty: the one that ROUTER_CONFIG names, or none
	Flags   map[string]string // key → text, for the flags that were given
	Environ []string          // as os.Environ gives it
	Dir     string            // where a .env file is looked for when there is no configuration file; empty: the working directory
}

// Load reads, checks and merges everything: flags over environment over file over defaults. The environment is the
// process's own over that of the .env file. An error that concerns what was written is of type Problems and holds all
// that was found; the warnings are valid with an error too.
func Load(source Source) (Config, []Warning, error) {
	l := &loader{source: source, keys: Keys()}
	variables, sources := l.readEnvironment()
	file := l.readFile()
	environment := newEnvironmentReader(variables, sources)
	environment.read(l.keys)
	flags := l.readFlags()

	profiles := l.readKinds(file, environment.layer, flags)
	environment.readKinds(l.keys, slices.Sorted(maps.Keys(profiles)))
	l.problems = append(l.problems, environment.problems...)
	warnings := environment.unknown(l.keys)
	if len(l.problems) > 0 {
		return Config{Files: l.files}, warnings, l.problems
	}
	config, err := merge(file, environment.layer, flags)
	if err != nil {
		return Config{Files: l.files}, warnings, err
	}
	config.Profiles = profiles
	config.Environment = Environment{sharedDatabase(variables)}
	config.Files = l.files
	problems := config.finish()
	if len(problems) == 0 {
		problems = slices.Concat(config.takeOver(source.Dir), config.findProjects(source.Dir), config.openProjects(), config.implyAnonymous())
	}
	if len(problems) > 0 {
		return Config{Files: config.Files}, warnings, problems
	}
	return config, append(warnings, config.certificateWarnings(time.Now())...), nil
}

type loader struct {
	source   Source
	keys     []Key
	files    []string // that were looked at
	problems Problems
}

func (l *loader) report(place, key, format string, arguments ...any) {
	l.problems = append(l.problems, Problem{Place: place, Key: key, Text: fmt.Sprintf(format, arguments...)})
}

// readEnvironment gives all variables, and for those of the .env file where they came from. The file beside the
// configuration file counts; without one there, that in the working directory.
func (l *loader) readEnvironment() (variables, sources map[string]string) {
	variables, sources = map[string]string{}, map[string]string{}
	for _, entry := range l.source.Environ {
		if name, value, found := strings.Cut(entry, "="); found {
			variables[name] = value
		}
	}
	if l.source.File == "" {
		l.source.File = variables[EnvironmentConfig]
	}
	var candidates []string
	if l.source.File != "" {
		candidates = append(candidates, filepath.Join(filepath.Dir(l.source.File), ".env"))
	}
	candidates = append(candidates, filepath.Join(l.source.Dir, ".env"))
	for _, path := range candidates {
		l.files = append(l.files, path)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			l.report(path, "", "cannot read: %v", err)
			break
		}
		added, err := godotenv.UnmarshalBytes(data)
		if err != nil {
			l.report(path, "", "cannot read: want lines NAME=value: %v", withoutContent(err))
			break
		}
		for name, value := range added {
			if _, set := variables[name]; !set {
				variables[name], sources[name] = value, path
			}
		}
		break
	}
	return variables, sources
}

// withoutContent cuts a parser's message before the text that it quotes, which may hold a secret.
func withoutContent(err error) string {
	text, _, _ := strings.Cut(err.Error(), " near ")
	text, _, _ = strings.Cut(text, "\n")
	return text
}

func (l *loader) readFile() layer {
	if l.source.File == "" {
		return newLayer()
	}
	l.files = append(l.files, l.source.File)
	data, err := os.ReadFile(l.source.File)
	if err != nil {
		l.report(l.source.File, "", "cannot read: %v", unwrapPath(err))
		return newLayer()
	}
	file, problems := readFile(l.source.File, data, l.keys)
	l.problems = append(l.problems, problems...)
	return file
}

// unwrapPath drops the path from an error where the place names it already.
func unwrapPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

func (l *loader) readFlags() layer {
	flags := newLayer()
	for _, name := range slices.Sorted(maps.Keys(l.source.Flags)) {
		k, known := find(l.keys, name)
		place := "--" + k.Flag
		if !known || k.Flag == "" {
			l.report("--"+name, "", "unknown flag")
			continue
		}
		if problem, ok := flags.set(k, name, l.source.Flags[name], place); !ok {
			l.problems = append(l.problems, problem)
		}
	}
	return flags
}

// readKinds decodes the shipped kinds and those of kind_files, and refuses overrides of kinds that do not exist.
func (l *loader) readKinds(layers ...layer) map[string]*kind.Kind {
	profiles, err := Shipped()
	if err != nil {
		l.report("", "", "%v", err)
	}
	files, place := []string(nil), ""
	for _, one := range layers {
		if value, found := one.values["kind_files"]; found {
			files, place = value.([]string), one.places["kind_files"]
		}
	}
	for _, path := range files {
		l.files = append(l.files, path)
		data, err := os.ReadFile(path)
		if err != nil {
			l.report(place, "kind_files", "cannot read %q: %v", path, unwrapPath(err))
			continue
		}
		profile, err := kind.Decode(path, data)
		if err != nil {
			l.problems = append(l.problems, Problem{Text: err.Error()})
			continue
		}
		profiles[profile.Name] = profile
	}
	for _, one := range layers {
		for _, name := range slices.Sorted(maps.Keys(one.values)) {
			if parts := strings.Split(name, "."); parts[0] == "kind" && profiles[parts[1]] == nil {
				l.report(one.places[name], name, "got the kind %q, want one of %s", parts[1], strings.Join(slices.Sorted(maps.Keys(profiles)), ", "))
			}
		}
	}
	return profiles
}

// merge lays the layers over the defaults and decodes the result.
func merge(layers ...layer) (Config, error) {
	tree, origins := koanf.New("."), map[string]string{}
	for _, one := range layers {
		if err := tree.Load(confmap.Provider(one.values, "."), nil); err != nil {
			return Config{}, fmt.Errorf("cannot merge the configuration: %w", err)
		}
		maps.Copy(origins, one.places)
	}
	config := Defaults()
	if err := tree.Unmarshal("", &config); err != nil {
		return Config{}, fmt.Errorf("cannot decode the configuration: %w", err)
	}
	config.origins = origins
	return config, nil
}
