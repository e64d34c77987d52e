package configs

import (
	"fmt"
	"io"
	"strings"
)

// referenceHead begins docs/configuration.md.
const referenceHead = `# Configuration

<!-- Written by "router config reference"; do not edit. "make generate" writes it anew. -->

The router is configured by flags over environment over a YAML file over defaults. The file is the one of
` + "`--config`" + ` or ` + "`ROUTER_CONFIG`" + `; without either there is none. ` + "`router config check`" + ` says whether a configuration is
valid, ` + "`router config show`" + ` what is in force and where each value comes from. An unknown key in the file, a bad value
or an impossible combination stops the start; everything that is wrong is reported together, as

` + "```" + `
router.yaml:12: pool.max_workers: got "many", want a whole number, at least 1
ENV ROUTER_POOL_WAIT: pool.wait: got "25", want a duration above 0 with its unit, such as "250ms", "25s" or "2m"
` + "```" + `

A key's environment name is ` + "`ROUTER_`" + ` and the key in upper case, with dots as underscores. An empty variable counts as not
set, and an unknown ` + "`ROUTER_`" + ` name is only a warning. The other names in the tables below are those of the programs whose
place the router takes; they count where the router's own name is not set, the first of several before the others.

A ` + "`.env`" + ` file beside the configuration file, or else in the working directory, adds variables that the environment does
not have. Both together are also what the kinds' allow-lists pass on to workers, such as ` + "`LLM_*`" + ` and ` + "`EMBEDDING_*`" + `.

Relative paths are relative to the working directory.

## Changes while the router runs

The configuration is read again when one of its files has changed and has been left alone for half a second (the file
itself, ` + "`.env`" + `, those of ` + "`kind_files`" + `, ` + "`api_key_file`" + ` and ` + "`tls.certificates`" + `; they are looked at every two seconds), on SIGHUP, and by
` + "`router config reload`" + `, which says what changed. A configuration with anything wrong in it changes nothing: the log, the
event ` + "`config_refused`" + ` and the command say where. No request is cut and no worker restarted by a change, but where a smaller
` + "`pool.max_workers`" + ` leaves more workers than it allows: then those go that were idle for longest, as soon as they are free.
With each key stands when a change to it counts.

What is changed about a kind, and the environment that its workers get, counts for workers that are started afterwards;
` + "`router worker restart --all`" + ` starts each anew. A request to a worker that was started earlier must be allowed by the
profile that is in force and by the one that its worker was started with: what a new profile forbids is forbidden at
once, what it allows is allowed when the worker is of that profile.
`

// referenceSections are the headings under which the keys are listed, each with the beginnings of its keys.
var referenceSections = []struct {
	title, text string
	prefixes    []string
}{
	{"The router", "", []string{"data", "listen", "operator_listen", "on_exit", "keep_for", "shutdown_grace", "transport", "api_key", "log."}},
	{"Hosts and browsers", "", []string{"bound_listeners", "base_domain", "origins", "session_ttl"}},
	{"TLS, and what stands in front", "", []string{"tls.", "proxy_protocol", "trusted_proxies"}},
	{"Workspaces", "", []string{"default_workspace", "allow_default_workspace", "anonymous", "auto_create", "default_kind"}},
	{"The pool of workers", "", []string{"pool."}},
	{"Limits of requests and connections", "", []string{"limits."}},
	{"Isolation", "What keeps the workers of a kind apart is said in its profile; this is for all of them.", []string{"isolation."}},
	{"Projects", "What a Chroma server for many projects was told; see [kinds/chroma.md](kinds/chroma.md).", []string{"projects."}},
	{"Kinds", "A kind is the profile of a worker program. `<kind>` stands for its name, such as `embedded`; in an environment name it is " +
		"in upper case, with `-` as `_`.", []string{"kind_files", "kind."}},
}

// Reference writes docs/configuration.md.
func Reference(w io.Writer) error {
	defaults := Defaults()
	values := map[string]any{}
	for _, setting := range defaults.Settings() {
		values[setting.Key] = setting.Value
	}
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, section := range referenceSections {
		fmt.Fprintf(&b, "\n## %s\n", section.title)
		if section.text != "" {
			fmt.Fprintf(&b, "\n%s\n", section.text)
		}
		for _, k := range Keys() {
			if hasAnyPrefix(k.Name, section.prefixes) {
				describeKey(&b, k, values[k.Name])
			}
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("cannot write the reference: %w", err)
	}
	return nil
}

func hasAnyPrefix(name string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if name == prefix || strings.HasPrefix(name, prefix) && (strings.HasSuffix(prefix, ".") || strings.HasPrefix(name, prefix+"_file")) {
			return true
		}
	}
	return false
}

func describeKey(b *strings.Builder, k Key, value any) {
	name := strings.Replace(strings.Replace(k.Name, "kind.*", "kind.<kind>", 1), "environment.*", "environment.<NAME>", 1)
	fmt.Fprintf(b, "\n### `%s`\n\n%s\n\n", name, k.Doc)
	fmt.Fprintf(b, "- Value: %s\n", k.Type)
	switch {
	case k.defaultText != "":
		fmt.Fprintf(b, "- Default: %s\n", k.defaultText)
	case value == nil:
		b.WriteString("- Default: none\n")
	default:
		fmt.Fprintf(b, "- Default: `%v`\n", value)
	}
	fmt.Fprintf(b, "- Environment: `%s`", k.Environment())
	if len(k.Legacy) > 0 {
		fmt.Fprintf(b, ", else `%s`", strings.Join(k.Legacy, "`, else `"))
	}
	b.WriteString("\n")
	if k.Flag != "" {
		fmt.Fprintf(b, "- Flag: `--%s`\n", k.Flag)
	}
	fmt.Fprintf(b, "- A change counts: %s\n", k.Applies)
}
