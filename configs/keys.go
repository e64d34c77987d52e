package configs

import (
	"slices"
	"strings"

	"workspace-router/internal/kind"
)

// Key is one configuration key.
type Key struct {
	Name   string   // "pool.max_workers"; a `*` stands for the name of a kind, or of a variable
	Doc    string   // what it does, one paragraph
	Type   string   // what its value may be
	Legacy []string // environment names of the programs whose place the router takes; the first that is set counts
	Flag   string   // the command line's name for it, where it has one
	Secret bool     // its value is never shown
	// Applies says when a change counts for a router that runs.
	Applies Applies

	value       valueType
	defaultText string // where the default is not a fixed value
}

// Applies is a moment at which a changed value begins to count.
type Applies int

// The moments.
const (
	AtOnce       Applies = iota // for every request and decision that comes after
	AtNextLaunch                // for each worker that is started after; those that run go on as they are
	AtNextStart                 // when the router is started again
)

// String completes "Changes count …".
func (a Applies) String() string {
	switch a {
	case AtOnce:
		return "at once"
	case AtNextLaunch:
		return "with a worker's next launch"
	case AtNextStart:
		return "at the next start"
	}
	return "at an unknown moment"
}

// MarshalText writes the words of String.
func (a Applies) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Environment is the key's own environment name; a `*` of the key's name is written as <KIND> or <NAME>.
func (k Key) Environment() string {
	name := strings.Replace(k.Name, "kind.*", "kind.<kind>", 1)
	name = strings.Replace(name, "environment.*", "environment.<name>", 1)
	return environmentName(name)
}

func environmentName(key string) string {
	return "ROUTER_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// Keys lists every key, in the order in which people should read them. It is the one table that loading, checking,
// `config reference` and the tests go by.
func Keys() []Key {
	keys := slices.Concat(placeKeys(), browserKeys(), frontKeys(), workspaceKeys(), poolKeys(), limitKeys(), isolationKeys(), projectKeys(), kindKeys())
	for i := range keys {
		keys[i].Type = keys[i].value.want
	}
	return keys
}

func placeKeys() []Key {
	return []Key{
		{Name: "data", Flag: "data", Applies: AtNextStart, value: textValue("a directory"),
			Doc: "Everything that the router keeps: catalog, keys, workspaces, logs, sockets. Made at the first start, with mode 0700. One router at a time. `admin.key` in it holds the admin key; remove that file and start again to have the key replaced and the old one revoked, or put a key of your own there, of at least 32 characters and with mode 0600."},
		{Name: "listen", Flag: "listen", Applies: AtNextStart, value: address(),
			Doc: "Where requests for workspaces are taken. Where it is not given in the environment, `HOST` and `PORT` are used, one or both."},
		{Name: "operator_listen", Flag: "operator-listen", Applies: AtNextStart, value: address(),
			Doc: "Where the operator's API and metrics are served. Must differ from `listen`."},
		{Name: "on_exit", Applies: AtNextStart, value: oneOf(OnExitStop, OnExitKeep),
			Doc: "What becomes of the workers when the router ends, however it ends: `stop` ends them by their own signal and grace; `keep` holds them for `keep_for`, for the router that is started next over the same `data`. It takes over those that prove themselves anew and whose kind's profile is the same, with their logs, times and order of use; the others it stops. The death of the keeper ends all of them in either case."},
		{Name: "keep_for", Applies: AtNextStart, value: duration(""),
			Doc: "For how long workers are held with `on_exit: keep`; then they are ended in order."},
		{Name: "shutdown_grace", value: duration(""),
			Doc: "How long requests that are open when the router is told to end may take to finish."},
		{Name: "transport", Applies: AtNextLaunch, value: oneOf(TransportLean, TransportStandard),
			Doc: "What carries requests to workers: `lean` is the router's own HTTP/1.1, which takes less processor time for each request and refuses answers that two programs could take for different ones (502); `standard` is that of Go's library. They give the same answers to the same requests."},
		{Name: "api_key", Secret: true, Legacy: []string{"LIGHTRAG_API_KEY"}, value: textValue("a key"),
			Doc: "A fixed key for the data of the tenant `default`, for clients that have one already. It may read, write, query and, where `auto_create` allows, make workspaces; it may not operate the router."},
		{Name: "api_key_file", value: textValue("a path"),
			Doc: "A file that holds `api_key`; white space around the key is ignored. Not together with `api_key`."},
		{Name: "log.level", Legacy: []string{"LOG_LEVEL"}, value: logLevel(), Doc: "The least severe level that is logged. The access log, one line per request, is written at every level."},
		{Name: "log.format", Applies: AtNextStart, value: oneOf(LogJSON, LogConsole), Doc: "`json` for machines, `console` for people."},
	}
}

func browserKeys() []Key {
	return []Key{
		{Name: "bound_listeners", Applies: AtNextStart, value: list(`a list of HOST:PORT=WORKSPACE, such as "127.0.0.1:9701=alpha"; in the environment with commas between them`),
			Doc: "Further addresses, each for one workspace, `name` or `tenant.name`: for clients that can be told a host, a port and a key, and nothing else. Everything there is the worker's; other selectors must agree, and cookies do not count. A workspace that is not there yet is made by `auto_create` like any other."},
		{Name: "base_domain", value: domain(),
			Doc: "The domain below which each workspace has a host of its own, `{workspace}.{base_domain}`, beside `{workspace}.localhost`, which needs no configuration. Browsers keep what such hosts serve apart. Names below it must lead to the router; let nothing else be served below it."},
		{Name: "origins", value: oneOf(OriginsSeparate, OriginsShared),
			Doc: "Where browsers may use workspaces: `separate`, each on its own host only, and pages under `/w/…` lead there; `shared`, also under `/w/…`, where the pages of all workspaces are one origin to a browser and can use each other's log-ins. `shared` is for workspaces that trust each other."},
		{Name: "session_ttl", value: duration(""),
			Doc: "How long a browser's log-in lasts. It ends before when its key is revoked, replaced or expires. A change counts for log-ins after it. The key that sessions are signed with is in `session.key` in `data`; remove that file and start again to end all sessions."},
	}
}

// frontKeys are about what stands between clients and the listeners.
func frontKeys() []Key {
	return []Key{
		{Name: "tls.certificates", Applies: AtNextStart, value: list(`a list of CERTIFICATE_FILE=KEY_FILE in PEM form, or of files that hold both; in the environment with commas between them`),
			Doc: "With certificates, `listen` and `bound_listeners` speak TLS, from 1.2 on, with HTTP/2 and HTTP/1.1. The certificate file begins with the server's own and goes on with those that lead to the authority. Of several the first that fits the name asked for counts, else the first. What is in the files counts at once when they change; a pair that does not fit changes nothing. `base_domain` needs a certificate for `*.` and the domain."},
		{Name: "tls.operator", Applies: AtNextStart, value: boolean(), Doc: "Whether `operator_listen` speaks TLS, too, with the same certificates."},
		{Name: "proxy_protocol", Applies: AtNextStart, value: networks(),
			Doc: "Where load balancers are that pass connections on as they are and say by the PROXY protocol, version 1 or 2, whose they are. From these addresses each connection to `listen` and `bound_listeners` must begin with it; from others it is not understood."},
		{Name: "trusted_proxies", value: networks(),
			Doc: "Where proxies are that speak HTTP to the router and whose `X-Forwarded-For` and `X-Forwarded-Proto` are true. From these addresses the client is the last of `X-Forwarded-For` that is none of them, and its scheme is what the last `X-Forwarded-Proto` says. They must pass `Host` on as it came, and let no client's own `X-Forwarded-…` through."},
	}
}

func workspaceKeys() []Key {
	return []Key{
		{Name: "default_workspace", Legacy: []string{"LIGHTRAG_DEFAULT_WORKSPACE", "WORKSPACE"}, value: workspaceName(),
			Doc: "The workspace of a request that names none."},
		{Name: "allow_default_workspace", Legacy: []string{"LIGHTRAG_ALLOW_DEFAULT_WORKSPACE"}, value: boolean(),
			Doc: "Whether a request that names no workspace is served from the default one; otherwise it is refused with 400."},
		{Name: "anonymous", value: oneOf(AnonymousOff, AnonymousDefaultWorkspace, AnonymousDefaultTenant),
			defaultText: "`off`; `default_workspace` where the router takes the place of a single server on loopback that had neither `LIGHTRAG_API_KEY` nor `AUTH_ACCOUNTS`",
			Doc:         "What a request without a credential may reach: nothing; the data of the default workspace; or those of the tenant `default`, where it may make workspaces, too. Never the router's own API. On loopback that means every user and program of the machine, on other addresses everybody who reaches them. A request of a browser counts only if it comes from the router's own pages, and only by a host that nobody can bend to lead here: an address, `localhost`, `base_domain` and what is below it, on other addresses than loopback also a name without a dot; others are refused with 421. Must be given where the place of such a server is taken on another address. `docs/security.md`."},
		{Name: "auto_create", value: oneOf(AutoCreateAuthorized, AutoCreateOff),
			Doc: "Whether the first request for an unknown workspace makes it: `authorized` where the credential may create workspaces, `off` never."},
		{Name: "default_kind", value: textValue("the name of a kind"), defaultText: "`lightrag` where `LLM_BINDING`, `EMBEDDING_BINDING`, `WORKING_DIR` or a `LIGHTRAG_*_STORAGE` is given, `chroma` where `WORKSPACE_DIR` is, else `embedded`",
			Doc: "The kind of a workspace that is made without naming one."},
	}
}

func poolKeys() []Key {
	return []Key{
		{Name: "pool.max_workers", Legacy: []string{"LIGHTRAG_MAX_WORKSPACES_IN_POOL", "MAX_CACHED_INSTANCES"}, value: count(),
			Doc: "The most workers at one time, those starting and stopping included. The one idle for longest makes room for a new one."},
		{Name: "pool.memory", value: size(), defaultText: "80 % of the memory of the machine, or of the control group where that has less",
			Doc: "The most memory that all workers may take, as PSS. A worker is admitted by what its kind declares (`cost`), counts for what is measured of it every 10 s, and those idle for longest make room. Where more is taken, that is put right within 15 s by stopping workers that are idle."},
		{Name: "pool.files", value: count(), defaultText: "80 % of the descriptors that a process, or the machine, may have open",
			Doc: "The most descriptors that all workers and the router may have open; counted as `pool.memory` is."},
		{Name: "pool.tenant_max_workers", value: countOrNone(), Doc: "The most workers of one tenant. At its cap, a tenant's newcomer takes the place of its own worker that was idle for longest, and of nobody else's."},
		{Name: "pool.tenant_max_streams", value: countOrNone(), Doc: "The most requests and streams of one tenant that may be open at one time; more are refused with 503."},
		{Name: "pool.waiters_per_workspace", value: count(), Doc: "The most requests that wait for one workspace's worker; more are refused with 503."},
		{Name: "pool.waiters_total", value: count(), Doc: "The most requests that wait for any worker."},
		{Name: "pool.wait", value: duration(""), Doc: "The longest that a request waits for its worker."},
		{Name: "pool.patience", value: duration(""),
			Doc: "How long a newcomer waits for one worker to make room before a second is chosen as well. At most `pool.wait`."},
		{Name: "pool.minimum_residency", value: duration("none"), Doc: "How long a worker that has become ready is safe from making room."},
		{Name: "pool.start_concurrency", value: count(), defaultText: "the number of CPUs", Doc: "How many workers may be starting at once."},
		{Name: "pool.resume_at_once", value: count(), Doc: "How many workers may go on at once with work that was left unfinished, over all workspaces; see `kind.<kind>.resume`. The others wait for their turn, as all do while a request waits for room."},
		{Name: "pool.idle_timeout", value: duration("off"), Doc: "Stop a worker that was idle for this long, although nobody needs the room."},
		{Name: "pool.drain_timeout", value: duration(""), Doc: "How long a worker that is to stop may take to finish its open requests before they are cut."},
	}
}

func limitKeys() []Key {
	return []Key{
		{Name: "limits.header_bytes", Applies: AtNextStart, value: size(),
			Doc: "The largest request header; one that is larger by more than the 4 KiB that are read ahead is refused with 431."},
		{Name: "limits.body", value: size(), Doc: "The largest request body where the kind sets none; a larger one is refused with 413."},
		{Name: "limits.header_timeout", Applies: AtNextStart, value: duration(""), Doc: "The longest that a client may take to send a request's header."},
		{Name: "limits.body_timeout", value: duration(""), Doc: "How long a client may take over a body that it has begun to send: this much, and a second more for each KiB that has come. Only the time counts in which the router waits for the client, and only until the answer begins. Who is slower is refused with 408."},
		{Name: "limits.unread_timeout", Applies: AtNextStart, value: duration(""), Doc: "How long a client may leave what was sent to it, without taking any of it, before its connection is cut. On Linux only."},
		{Name: "limits.idle_timeout", Applies: AtNextStart, value: duration(""), Doc: "How long a connection without a request is kept open."},
		{Name: "limits.connections", Applies: AtNextStart, value: count(), defaultText: "a quarter of the descriptors that a process may have open, at most 16384",
			Doc: "The most connections of clients at one time, on `listen` and `bound_listeners` together. One more is closed as soon as it is accepted."},
		{Name: "limits.in_flight", value: count(), Doc: "The most requests and streams that are served, or wait for a worker, at one time; more are refused with 503 and `Retry-After`. `/livez`, `/readyz` and the operator's API do not count."},
		{Name: "limits.in_flight_per_workspace", value: count(), Doc: "The same for one workspace, so that a flood of one leaves room for the others. At most `limits.in_flight`."},
	}
}

func projectKeys() []Key {
	return []Key{
		{Name: "projects.listen", Applies: AtNextStart, value: address(), defaultText: "none; `127.0.0.1:7100` where `WORKSPACE_DIR`, `KNOWLEDGE_GRAPH_SUBDIR`, `CHROMA_HOST` or `CHROMA_PORT` is given",
			Doc: "Where the project API of Chroma, `/api/v1/{project}/collections…`, is served, and Chroma's own API as everywhere. Where it is not given in the environment, `CHROMA_HOST` and `CHROMA_PORT` are used, one or both. Projects are workspaces of the kind `chroma`."},
		{Name: "projects.anonymous", Applies: AtNextStart, value: oneOf(AnonymousOff, AnonymousDefaultTenant), defaultText: "`default_tenant` where `WORKSPACE_DIR` is given, no `api_key` is, and `projects.listen` is on loopback; else `off`",
			Doc: "What a request without a credential may reach at `projects.listen`: nothing, or all projects of the tenant `default`, as a server that asks for no key. Never the requests of other sites' pages in a browser."},
		{Name: "projects.cors_origins", Applies: AtNextStart, Legacy: []string{"CORS_ORIGINS"}, value: origins(),
			Doc: "The origins whose pages may use `projects.listen` from a browser, with a key; `*` is all. None where it is not given."},
		{Name: "projects.select_by_tenant", Applies: AtNextStart, value: boolean(),
			Doc: "Whether the tenant in Chroma's own API, `/api/v2/tenants/{tenant}/…`, names the workspace at `projects.listen`; it gives way to paths, hosts and headers. `default_tenant` is Chroma's word for none."},
		{Name: "projects.dir", Applies: AtNextStart, Legacy: []string{"WORKSPACE_DIR"}, value: textValue("a directory"), defaultText: "`workspace` in the working directory, if it holds projects; else none",
			Doc: "Where Chroma's data of new workspaces are, in `{workspace}/{projects.subdir}`, or `{tenant}.{workspace}/{projects.subdir}` for other tenants than `default`; what is there already is served. Without it they are below `data`. Must lie apart from `data`. A workspace keeps the place that it was made with."},
		{Name: "projects.subdir", Applies: AtNextStart, Legacy: []string{"KNOWLEDGE_GRAPH_SUBDIR"}, value: plainDirectory(),
			Doc: "The directory in a project's own that holds Chroma's files."},
	}
}

func kindKeys() []Key {
	return []Key{
		{Name: "kind_files", Applies: AtNextLaunch, value: paths(), Doc: "Further kinds, one profile per file; one with the name of a shipped kind takes its place."},
		{Name: "kind.*.program", Applies: AtNextLaunch, value: textValue("a path, or a name looked up beside the router and in PATH"), Doc: "The program of the kind's first process."},
		{Name: "kind.*.environment.*", Secret: true, Applies: AtNextLaunch, value: valueType{want: "a text", verbatim: true, parse: func(text string) (any, bool) { return text, true }},
			Doc: "A variable for the kind's processes, beyond those that its allow-list takes from the router's environment. What the kind sets or refuses itself cannot be given here. A workspace's own variables (`router workspace env`) override these."},
		{Name: "kind.*.ready_timeout", Applies: AtNextLaunch, value: duration(""), defaultText: "the kind's own", Doc: "The longest that a worker may take to become ready."},
		{Name: "kind.*.stop_signal", Applies: AtNextLaunch, value: oneOf(kind.Signals()...), defaultText: "the kind's own", Doc: "The signal that asks a worker to end; SIGKILL follows after the grace. For another build of the kind's program that does not end on the usual one."},
		{Name: "kind.*.stop_grace", Applies: AtNextLaunch, value: duration(""), defaultText: "the kind's own", Doc: "How long a worker has between the stop signal and SIGKILL."},
		{Name: "kind.*.idle_timeout", Applies: AtNextLaunch, value: duration("off"), defaultText: "`pool.idle_timeout`",
			Doc: "Stop a worker of the kind that was idle for this long, although nobody needs the room."},
		{Name: "kind.*.resume", Applies: AtNextLaunch, value: oneOf(string(kind.ResumeOff), string(kind.ResumePending), string(kind.ResumeAll)), defaultText: "`off`",
			Doc: "What a worker is told to do with work that the one before it left unfinished, such as documents whose indexing was interrupted: `off` leaves it as it is, `pending` has it taken up, `all` also where nothing but failed work is left, at every start anew. What is left is shown by `router worker show` in any case. A workspace's own policy (`router workspace update --resume`) goes before it. For kinds with `leftovers` only."},
		{Name: "kind.*.preload", Applies: AtNextLaunch, value: oneOf("off", "auto", "on"), defaultText: "the kind's own",
			Doc: "Whether workers of a kind that is a Python program are forked from a process that has its libraries imported: auto only where a self-test finds no difference, on without one. Where that cannot be they are executed."},
		{Name: "kind.*.max_body", Applies: AtNextLaunch, value: size(), defaultText: "the kind's own, else `limits.body`", Doc: "The largest request body."},
		{Name: "kind.*.memory_limit", Applies: AtNextLaunch, value: size(), defaultText: "the kind's own (`limits.memory`), else `pool.memory`",
			Doc: "The most memory that a worker of the kind may take, what the kernel cannot drop of its files included, where the router has control groups (`isolation.cgroup`). One that needs more is ended as a whole, with the cause `out_of_memory`. At least what the kind declares to need."},
	}
}

// find gives the row for a concrete key such as "kind.embedded.program".
func find(keys []Key, name string) (Key, bool) {
	parts := strings.Split(name, ".")
	for _, k := range keys {
		if matches(strings.Split(k.Name, "."), parts) {
			return k, true
		}
	}
	return Key{}, false
}

// group reports whether some key begins with the given parts and goes on after them.
func group(keys []Key, parts []string) bool {
	return slices.ContainsFunc(keys, func(k Key) bool {
		pattern := strings.Split(k.Name, ".")
		return len(pattern) > len(parts) && matches(pattern[:len(parts)], parts)
	})
}

// matches compares a key's parts with a pattern's, whose `*` stands for a kind's name in second place, for a variable's in last.
func matches(pattern, parts []string) bool {
	if len(pattern) != len(parts) {
		return false
	}
	for i, p := range pattern {
		switch {
		case p == "*" && i == 1 && !kindName.MatchString(parts[i]):
			return false
		case p == "*" && i == 3 && !variableName.MatchString(parts[i]):
			return false
		case p != "*" && p != parts[i]:
			return false
		}
	}
	return true
}
