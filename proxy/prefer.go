package proxy

import (
	"strconv"
	"strings"
	"time"
)

// preferredWait is for how long the client would have the request wait for its worker, by "Prefer: wait=N" of RFC 7240;
// 0 leaves that to the pool. A client may choose less than the pool's own limit, not more: a preference for more is not
// honoured. One that is honoured is told in the answer.
func (x *exchange) preferredWait() time.Duration {
	values := x.r.Header["Prefer"]
	if len(values) == 0 {
		return 0
	}
	seconds, found := waitPreference(values)
	wait := time.Duration(seconds) * time.Second
	if !found || wait > x.settings.MaxWait {
		return 0
	}
	x.waits = uint32(seconds) + 1
	return max(wait, time.Nanosecond) // 0 would be the pool's limit, and means no wait here
}

// longestPreference keeps a preference within what a Duration can hold; it is beyond every limit of a pool.
const longestPreference = 1 << 30

// waitPreference finds the first preference "wait" among the values of Prefer. One that is no number is none.
func waitPreference(values []string) (seconds int, found bool) {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			preference, _, _ := strings.Cut(item, ";")
			name, text, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(text), `"`), 10, 64)
			if err != nil {
				return 0, false
			}
			return int(min(n, longestPreference)), true
		}
	}
	return 0, false
}
