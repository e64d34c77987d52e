package telemetry

import "strings"

const (
	maxLoggedPath    = 256
	maxLoggedSegment = 64
)

// SafePath gives a path in a form fit for the log: a segment that looks like a credential, which some clients put
// there by mistake, is replaced, and the length is bounded.
func SafePath(path string) string {
	if len(path) <= maxLoggedSegment && !strings.Contains(path, "/sk-") && !strings.Contains(path, "/eyJ") {
		return path
	}
	segments := strings.Split(path[:min(len(path), maxLoggedPath)], "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "sk-") || strings.HasPrefix(segment, "eyJ") || len(segment) > maxLoggedSegment {
			segments[i] = "[hidden]"
		}
	}
	safe := strings.Join(segments, "/")
	if len(path) > maxLoggedPath {
		safe += "…"
	}
	return safe
}
