// Package configs owns the configuration: one struct, its defaults, how it is loaded from flags, environment, file and
// defaults, and what is refused. It embeds the kinds that are shipped. It reads files, changes nothing and starts no
// goroutine; whatever it finds wrong is reported together, each with the place where it was written.
package configs

import (
	"crypto/tls"
	"runtime"
	"time"

	"workspace-router/internal/kind"
)

// Config is the whole configuration. Load fills it; it is not changed afterwards and safe to share.
type Config struct {
	Data                  string                   `koanf:"data"`
	Listen                string                   `koanf:"listen"`
	OperatorListen        string                   `koanf:"operator_listen"`
	BoundListeners        []string                 `koanf:"bound_listeners"` // Bound reads them
	TLS                   TLS                      `koanf:"tls"`
	ProxyProtocol         []string                 `koanf:"proxy_protocol"`  // Networks reads them
	TrustedProxies        []string                 `koanf:"trusted_proxies"` // likewise
	BaseDomain            string                   `koanf:"base_domain"`
	Origins               string                   `koanf:"origins"`
	SessionTTL            time.Duration            `koanf:"session_ttl"`
	DefaultWorkspace      string                   `koanf:"default_workspace"`
	AllowDefaultWorkspace bool                     `koanf:"allow_default_workspace"`
	Anonymous             string                   `koanf:"anonymous"`
	AutoCreate            string                   `koanf:"auto_create"`
	DefaultKind           string                   `koanf:"default_kind"`
	KindFiles             []string                 `koanf:"kind_files"`
	OnExit                string                   `koanf:"on_exit"`
	KeepFor               time.Duration            `koanf:"keep_for"`
	ShutdownGrace         time.Duration            `koanf:"shutdown_grace"`
	APIKey                Secret                   `koanf:"api_key"`
	APIKeyFile            string                   `koanf:"api_key_file"`
	Transport             string                   `koanf:"transport"`
	Log                   Log                      `koanf:"log"`
	Pool                  Pool                     `koanf:"pool"`
	Limits                Limits                   `koanf:"limits"`
	Projects              Projects                 `koanf:"projects"`
	Isolation             Isolation                `koanf:"isolation"`
	Kind                  map[string]KindOverrides `koanf:"kind"`

	// Profiles are the kinds by name: those shipped, then those of KindFiles, each with its Kind overrides applied.
	Profiles map[string]*kind.Kind `koanf:"-"`
	// Environment is the router's own environment with the .env file's additions: what kinds' allow-lists see.
	Environment Environment `koanf:"-"`
	// TakenOver is the server whose place the router takes; nil where there was none.
	TakenOver *TakenOver `koanf:"-"`
	// Certificates are those of TLS, in its order; nil where no listener speaks TLS.
	Certificates []tls.Certificate `koanf:"-"`
	// Files are the paths that were looked at, those that were not there included: when one of them changes, so may the
	// configuration. Load gives them with an error, too.
	Files []string `koanf:"-"`

	anonymousImplied bool // nobody has given Anonymous

	origins map[string]string // key → the place that decided it; a key that is not here has its default
}

// Log says what is logged and how.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn or error
	Format string `koanf:"format"` // LogJSON or LogConsole
}

// Pool bounds the workers.
type Pool struct {
	MaxWorkers          int           `koanf:"max_workers"`
	Memory              kind.Size     `koanf:"memory"`             // as PSS, of all workers
	Files               int           `koanf:"files"`              // of all workers and the router
	TenantMaxWorkers    int           `koanf:"tenant_max_workers"` // 0 is no cap
	TenantMaxStreams    int           `koanf:"tenant_max_streams"` // 0 is no cap
	WaitersPerWorkspace int           `koanf:"waiters_per_workspace"`
	WaitersTotal        int           `koanf:"waiters_total"`
	Wait                time.Duration `koanf:"wait"`
	Patience            time.Duration `koanf:"patience"`
	MinimumResidency    time.Duration `koanf:"minimum_residency"`
	StartConcurrency    int           `koanf:"start_concurrency"`
	ResumeAtOnce        int           `koanf:"resume_at_once"`
	IdleTimeout         time.Duration `koanf:"idle_timeout"` // 0 is off
	DrainTimeout        time.Duration `koanf:"drain_timeout"`
}

// Projects is what a Chroma server for many projects was told, whose place the router takes.
type Projects struct {
	Listen string `koanf:"listen"` // HOST:PORT of the project listener; blank is none
	Dir    string `koanf:"dir"`    // where the projects' directories are, absolute once loaded; blank: below Data, as others
	Subdir string `koanf:"subdir"` // of a project's directory, where Chroma's files are
	// SelectByTenant takes the tenant in Chroma's own API for a project.
	SelectByTenant bool     `koanf:"select_by_tenant"`
	CORSOrigins    []string `koanf:"cors_origins"`
	Anonymous      string   `koanf:"anonymous"` // AnonymousOff or AnonymousDefaultTenant
}

// Limits bound one request and one connection.
type Limits struct {
	HeaderBytes          kind.Size     `koanf:"header_bytes"`
	Body                 kind.Size     `koanf:"body"`
	HeaderTimeout        time.Duration `koanf:"header_timeout"`
	BodyTimeout          time.Duration `koanf:"body_timeout"`
	UnreadTimeout        time.Duration `koanf:"unread_timeout"`
	IdleTimeout          time.Duration `koanf:"idle_timeout"`
	Connections          int           `koanf:"connections"`
	InFlight             int           `koanf:"in_flight"`
	InFlightPerWorkspace int           `koanf:"in_flight_per_workspace"`
}

// KindOverrides changes one kind's profile. A zero field leaves the profile's own value.
type KindOverrides struct {
	Program      string            `koanf:"program"`
	Environment  map[string]Secret `koanf:"environment"`
	ReadyTimeout time.Duration     `koanf:"ready_timeout"`
	StopSignal   string            `koanf:"stop_signal"`
	StopGrace    time.Duration     `koanf:"stop_grace"`
	IdleTimeout  *time.Duration    `koanf:"idle_timeout"` // 0 is off, nil is Pool.IdleTimeout
	MaxBody      kind.Size         `koanf:"max_body"`
	Resume       kind.Resume       `koanf:"resume"` // "" is kind.ResumeOff
	MemoryLimit  kind.Size         `koanf:"memory_limit"`
	Preload      string            `koanf:"preload"`
}

// Values of anonymous.
const (
	AnonymousOff              = "off"
	AnonymousDefaultWorkspace = "default_workspace"
	AnonymousDefaultTenant    = "default_tenant"
)

// Values of auto_create, on_exit, origins, transport and log.format.
const (
	AutoCreateAuthorized = "authorized"
	AutoCreateOff        = "off"
	OnExitStop           = "stop"
	OnExitKeep           = "keep"
	OriginsSeparate      = "separate"
	OriginsShared        = "shared"
	TransportStandard    = "standard"
	TransportLean        = "lean"
	LogJSON              = "json"
	LogConsole           = "console"
)

// Defaults is the configuration where nothing is given.
func Defaults() Config {
	return Config{
		Data:                  "./data",
		Listen:                "127.0.0.1:9621",
		OperatorListen:        "127.0.0.1:9622",
		Origins:               OriginsSeparate,
		SessionTTL:            12 * time.Hour,
		DefaultWorkspace:      "default",
		AllowDefaultWorkspace: true,
		Anonymous:             AnonymousOff,
		AutoCreate:            AutoCreateAuthorized,
		DefaultKind:           "embedded",
		OnExit:                OnExitStop,
		KeepFor:               10 * time.Minute,
		ShutdownGrace:         30 * time.Second,
		Transport:             TransportLean,
		Log:                   Log{Level: "info", Format: LogJSON},
		Projects:              Projects{Subdir: "knowledge-graph", Anonymous: AnonymousOff},
		Pool: Pool{
			MaxWorkers:          50,
			Memory:              thisMachine().memory(),
			Files:               thisMachine().files(),
			WaitersPerWorkspace: 256,
			WaitersTotal:        4096,
			Wait:                25 * time.Second,
			Patience:            2 * time.Second,
			MinimumResidency:    time.Second,
			StartConcurrency:    runtime.NumCPU(),
			ResumeAtOnce:        1,
			DrainTimeout:        10 * time.Second,
		},
		Isolation: Isolation{Cgroup: CgroupAuto},
		Limits: Limits{
			HeaderBytes:          64 << 10,
			Body:                 128 << 20,
			HeaderTimeout:        10 * time.Second,
			BodyTimeout:          30 * time.Second,
			UnreadTimeout:        5 * time.Minute,
			IdleTimeout:          2 * time.Minute,
			Connections:          thisMachine().connections(),
			InFlight:             4096,
			InFlightPerWorkspace: 1024,
		},
	}
}
