package configs

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"workspace-router/internal/kind"
)

// finish reads what the merged configuration points to and refuses combinations that cannot work.
func (c *Config) finish() Problems {
	var problems Problems
	report := func(key, format string, arguments ...any) {
		problems = append(problems, Problem{Place: c.origins[key], Key: key, Text: fmt.Sprintf(format, arguments...)})
	}
	if c.Listen == c.OperatorListen && !strings.HasSuffix(c.Listen, ":0") {
		report(c.later("listen", "operator_listen"), "got %q for both listen and operator_listen, want two addresses", c.Listen)
	}
	c.checkBound(report)
	c.checkNetworks(report)
	c.readCertificates(report)
	if c.Limits.InFlightPerWorkspace > c.Limits.InFlight {
		report(c.later("limits.in_flight_per_workspace", "limits.in_flight"),
			"limits.in_flight_per_workspace is %d, want at most limits.in_flight, which is %d", c.Limits.InFlightPerWorkspace, c.Limits.InFlight)
	}
	if c.Pool.WaitersPerWorkspace > c.Pool.WaitersTotal {
		report(c.later("pool.waiters_per_workspace", "pool.waiters_total"),
			"pool.waiters_per_workspace is %d, want at most pool.waiters_total, which is %d", c.Pool.WaitersPerWorkspace, c.Pool.WaitersTotal)
	}
	if c.Pool.Patience > c.Pool.Wait {
		report(c.later("pool.patience", "pool.wait"), "pool.patience is %v, want at most pool.wait, which is %v", c.Pool.Patience, c.Pool.Wait)
	}
	c.implyKind()
	if c.Profiles[c.DefaultKind] == nil {
		report("default_kind", "got %q, want one of %s", c.DefaultKind, strings.Join(slices.Sorted(maps.Keys(c.Profiles)), ", "))
	}
	if text := c.readAPIKey(); text != "" {
		report("api_key_file", "%s", text)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Kind)) {
		if profile := c.Profiles[name]; profile != nil {
			changed, list := c.Kind[name].apply(profile, "kind."+name, c.origins)
			c.Profiles[name] = changed
			problems = append(problems, list...)
		}
	}
	for _, profile := range c.Profiles {
		profile.ModelTag = c.modelTag(&profile.Processes[0])
	}
	if profile := c.Profiles[c.DefaultKind]; profile != nil && len(problems) == 0 {
		problems = c.checkEnvironment(profile)
	}
	return problems
}

// later gives the one of two keys that was written last in the order file, environment, flags: the one to change.
func (c *Config) later(first, second string) string {
	rank := func(key string) int {
		place := c.origins[key]
		switch {
		case place == "":
			return 0
		case strings.HasPrefix(place, "--"):
			return 3
		case strings.HasPrefix(place, "ENV "):
			return 2
		}
		return 1
	}
	if rank(second) > rank(first) {
		return second
	}
	return first
}

func (c *Config) readAPIKey() (problem string) {
	if c.APIKeyFile == "" {
		return ""
	}
	if !c.APIKey.IsZero() {
		return "api_key is given as well (" + c.origins["api_key"] + "), want one of the two"
	}
	c.Files = append(c.Files, c.APIKeyFile)
	data, err := os.ReadFile(c.APIKeyFile)
	if err != nil {
		return fmt.Sprintf("cannot read %q: %v", c.APIKeyFile, unwrapPath(err))
	}
	key := strings.TrimSpace(string(data))
	if key == "" || strings.ContainsAny(key, " \t\r\n") {
		return fmt.Sprintf("%q does not hold a key, want one line without blanks", c.APIKeyFile)
	}
	c.APIKey = NewSecret(key)
	return ""
}

// apply gives a copy of the profile with the overrides in it. What the kind sets or refuses itself stays its own.
func (o KindOverrides) apply(profile *kind.Kind, key string, origins map[string]string) (*kind.Kind, Problems) {
	changed := *profile
	changed.Processes = slices.Clone(profile.Processes)
	var problems Problems
	if o.Program != "" {
		changed.Processes[0].Program = o.Program
	}
	if o.ReadyTimeout > 0 {
		changed.Ready.Timeout = o.ReadyTimeout
	}
	if o.StopSignal != "" {
		changed.Stop.Signal = o.StopSignal
	}
	if o.StopGrace > 0 {
		changed.Stop.Grace = o.StopGrace
	}
	if o.MaxBody > 0 {
		changed.MaxBody = o.MaxBody
	}
	if o.Resume.Wants(1, 1) && !profile.Resumable() {
		problems = append(problems, Problem{Place: origins[key+".resume"], Key: key + ".resume", Text: fmt.Sprintf("got %q, but workers of this kind cannot be told to go on with what was left unfinished (its profile has no `leftovers.resume`), want off", o.Resume)})
	}
	if o.MemoryLimit > 0 {
		changed.Limits.Memory = o.MemoryLimit
	}
	if o.Preload != "" {
		changed.Preload.Mode = o.Preload
	}
	for i := range changed.Processes {
		process := &changed.Processes[i]
		process.Given = make(map[string]string, len(o.Environment))
		for _, name := range slices.Sorted(maps.Keys(o.Environment)) {
			place := origins[key+".environment."+name]
			if _, own := profile.Processes[i].Set[name]; own {
				problems = append(problems, Problem{Place: place, Key: key + ".environment." + name, Text: "the kind sets this variable itself; it cannot be given"})
				continue
			}
			if matchesAny(process.Refuse, name) {
				problems = append(problems, Problem{Place: place, Key: key + ".environment." + name, Text: "the kind refuses this variable"})
				continue
			}
			process.Given[name] = o.Environment[name].Reveal()
		}
	}
	if err := changed.Validate(); err != nil && len(problems) == 0 {
		problems = append(problems, Problem{Key: key, Text: err.Error()})
	}
	return &changed, problems
}
