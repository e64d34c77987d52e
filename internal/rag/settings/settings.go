// Package settings is the worker's configuration: LightRAG's environment names, a few of its own, and flags for some.
// It reads what it is handed and nothing else: no file, no global.
package settings

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings is the worker's configuration, complete and valid once Load returned it.
type Settings struct {
	Host           string
	Port           int
	Socket         string // when set, the only listener
	Workspace      string
	WorkingDir     string // of all workspaces; DataDir is this one's
	InputDir       string
	APIKey         string
	APIPrefix      string
	Instance       string
	NotifySocket   string
	ModelName      string
	ModelTag       string
	LLM            Model
	Embedding      Model
	EmbeddingDim   int // 0: whatever the model says
	MaxUpload      int64
	MaxBody        int64
	TopK           int
	ChunkTopK      int
	ChunkSize      int // tokens
	ChunkOverlap   int // tokens
	Cosine         float64
	ExtractTimeout time.Duration
	ShutdownGrace  time.Duration
	LogLevel       string
}

// Model says where a model is served.
type Model struct {
	Binding string // openai or ollama; empty: there is none
	Host    string // base URL
	APIKey  string
	Name    string
	Timeout time.Duration
}

// DataDir is where this workspace's database is. As in LightRAG, no name means the working directory itself.
func (s Settings) DataDir() string { return filepath.Join(s.WorkingDir, s.Workspace) }

// UploadDir is where this workspace's originals are.
func (s Settings) UploadDir() string { return filepath.Join(s.InputDir, s.Workspace) }

// variable is one setting: its environment name, its flag, what it is for, and how its text becomes a value.
type variable struct {
	env      string
	flag     string // empty: it has none
	fallback string
	help     string
	set      func(*Settings, string) error
}

// Load takes flags over environment over defaults. All problems are reported together.
func Load(args []string, lookup func(string) (string, bool)) (Settings, error) {
	var s Settings
	flags, err := parseFlags(args)
	if err != nil {
		return s, err
	}
	var problems []error
	for _, v := range variables() {
		name, text := v.env, v.fallback
		if value, ok := lookup(v.env); ok {
			text = value
		}
		if value, ok := flags[v.flag]; ok && v.flag != "" {
			name, text = "--"+v.flag, value
		}
		if err := v.set(&s, strings.TrimSpace(text)); err != nil {
			problems = append(problems, fmt.Errorf("%s: got %q, want %w", name, WithoutUser(text), err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return s, err
	}
	s.LLM.infer()
	s.Embedding.infer()
	return s, s.check()
}

// WithoutUser hides the user and the password that a URL may hold, for those who look at a setting.
func WithoutUser(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return text
	}
	return scheme + "://" + rest[at+1:]
}

// check is for what no single variable shows.
func (s *Settings) check() error {
	var problems []error
	for _, m := range []struct {
		name  string
		model Model
	}{{"LLM", s.LLM}, {"EMBEDDING", s.Embedding}} {
		if m.model.Binding == "" {
			continue
		}
		if m.model.Host == "" {
			problems = append(problems, fmt.Errorf("%s_BINDING_HOST: got nothing, want the model server's URL, for %s_BINDING is %q", m.name, m.name, m.model.Binding))
		}
		if m.model.Name == "" {
			problems = append(problems, fmt.Errorf("%s_MODEL: got nothing, want the model's name, for %s_BINDING is %q", m.name, m.name, m.model.Binding))
		}
	}
	if s.ChunkOverlap*2 >= s.ChunkSize {
		problems = append(problems, fmt.Errorf("CHUNK_OVERLAP_SIZE: got \"%d\", want less than half of CHUNK_SIZE, %d", s.ChunkOverlap, s.ChunkSize))
	}
	return errors.Join(problems...)
}

// infer says which protocol a model speaks of which only the place and the name are given. With neither there is no
// model: LightRAG would look for an Ollama on this machine, and a worker that finds none could not answer at all.
func (m *Model) infer() {
	switch {
	case m.Binding == "none", m.Host == "" && m.Name == "":
		m.Binding = ""
	case m.Binding == "" && m.Host != "" && m.Name != "":
		m.Binding = "ollama" // LightRAG's default
	}
}

// parseFlags reads --name value and --name=value.
func parseFlags(args []string) (map[string]string, error) {
	var known []string
	for _, v := range variables() {
		if v.flag != "" {
			known = append(known, v.flag)
		}
	}
	flags := make(map[string]string)
	for len(args) > 0 {
		name, value, inline := strings.Cut(args[0], "=")
		args = args[1:]
		flag, ok := strings.CutPrefix(name, "--")
		if !ok || !slices.Contains(known, flag) {
			return nil, fmt.Errorf("unknown argument %q, want one of --%s, or an environment variable", name, strings.Join(known, ", --"))
		}
		if !inline {
			if len(args) == 0 {
				return nil, fmt.Errorf("%s: got nothing, want a value", name)
			}
			value, args = args[0], args[1:]
		}
		flags[flag] = value
	}
	return flags, nil
}

func text(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		*field(s) = value
		return nil
	}
}

func number(field func(*Settings) *int, lowest, highest int) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < lowest || n > highest {
			return fmt.Errorf("a whole number from %d to %d", lowest, highest)
		}
		*field(s) = n
		return nil
	}
}

func size(field func(*Settings) *int64) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 1 {
			return errors.New("a number of bytes above 0")
		}
		*field(s) = n
		return nil
	}
}

func seconds(field func(*Settings) *time.Duration) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 24*60*60 {
			return errors.New("a whole number of seconds from 1 to 86400")
		}
		*field(s) = time.Duration(n) * time.Second
		return nil
	}
}

func oneOf(field func(*Settings) *string, allowed ...string) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		value = strings.ToLower(value)
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("one of %q", allowed)
		}
		*field(s) = value
		return nil
	}
}

func fraction(field func(*Settings) *float64) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || !(n >= -1 && n <= 1) {
			return errors.New("a number from -1 to 1")
		}
		*field(s) = n
		return nil
	}
}

func host(s *Settings, value string) error {
	if value == "" || strings.ContainsAny(value, "/ ") || (net.ParseIP(value) == nil && strings.Contains(value, ":")) {
		return errors.New("an IP address or host name, without port")
	}
	s.Host = value
	return nil
}

// workspace becomes the name of a directory; LightRAG allows the same characters and silently changes others.
func workspace(s *Settings, value string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if strings.ContainsFunc(value, func(r rune) bool { return !strings.ContainsRune(allowed, r) }) {
		return errors.New("letters, digits, _ and - only")
	}
	if len(value) > 128 {
		return errors.New("at most 128 characters")
	}
	s.Workspace = value
	return nil
}

func directory(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		if value == "" {
			return errors.New("a directory")
		}
		absolute, err := filepath.Abs(value)
		if err != nil {
			return fmt.Errorf("a directory (%w)", err)
		}
		*field(s) = absolute
		return nil
	}
}

// maxSocketPath is what the kernel's address structure holds, without the closing zero.
const maxSocketPath = 107

func socket(s *Settings, value string) error {
	if len(value) > maxSocketPath {
		return fmt.Errorf("a path of at most %d bytes, which is the kernel's limit", maxSocketPath)
	}
	s.Socket = value
	return nil
}

func prefix(s *Settings, value string) error {
	value = strings.TrimRight(value, "/")
	if value != "" && !strings.HasPrefix(value, "/") {
		value = "/" + value
	}
	if strings.ContainsAny(value, "?#% ") {
		return errors.New("a URL path such as /w/name")
	}
	s.APIPrefix = value
	return nil
}

func baseURL(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, value string) error {
		if value != "" {
			u, err := url.Parse(value)
			if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
				return errors.New("a URL that begins with http:// or https://")
			}
		}
		*field(s) = strings.TrimRight(value, "/")
		return nil
	}
}
