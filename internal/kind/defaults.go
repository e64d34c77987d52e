package kind

import (
	"net/http"
	"time"
)

// Defaults of what a profile leaves out.
const (
	defaultHost         = "localhost"
	defaultReadyTimeout = 120 * time.Second
	defaultSamples      = 3
	defaultInterval     = 100 * time.Millisecond
	defaultBound        = time.Hour
	defaultSignal       = "TERM"
	defaultGrace        = 10 * time.Second
	defaultDir          = "{run}"
	defaultProcesses    = 4096
	defaultContentType  = "application/json"
)

// applyDefaults fills in what the profile leaves out, as the comments of the fields say.
func (k *Kind) applyDefaults() {
	for i := range k.Processes {
		p := &k.Processes[i]
		fill(&p.Name, k.Name)
		fill(&p.Dir, defaultDir)
	}
	for name, endpoint := range k.Endpoints {
		fill(&endpoint.Host, defaultHost)
		k.Endpoints[name] = endpoint
	}
	fill(&k.Ready.Status, http.StatusOK)
	fill(&k.Ready.Timeout, defaultReadyTimeout)
	if k.Busy != nil {
		fill(&k.Busy.Samples, defaultSamples)
		fill(&k.Busy.Interval, defaultInterval)
		fill(&k.Busy.Bound, defaultBound)
	}
	if k.Leftovers != nil {
		fill(&k.Leftovers.Resume.Method, http.MethodPost)
	}
	for i := range k.Routes {
		fill(&k.Routes[i].Class, Active)
		if cold := k.Routes[i].Cold; cold != nil {
			fill(&cold.Status, http.StatusOK)
			fill(&cold.ContentType, defaultContentType)
		}
	}
	fill(&k.Stop.Signal, defaultSignal)
	fill(&k.Stop.Grace, defaultGrace)
	fill(&k.Isolation.Landlock, IsolationAuto)
	fill(&k.Isolation.Network, NetworkHost)
	fill(&k.Isolation.PIDNamespace, IsolationAuto)
	fill(&k.Isolation.Processes, defaultProcesses)
	fill(&k.Preload.Mode, PreloadOff)
}

func fill[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}
