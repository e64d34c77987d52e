package supervisor

import (
	"math"
	"math/rand/v2"
	"time"
)

// after is how long to wait after so many failures in a row. chance is in [-1, 1] and moves it within the jitter.
func (b Backoff) after(failures int, chance float64) time.Duration {
	wait := float64(b.Initial) * math.Pow(b.Factor, float64(max(0, failures-1)))
	wait = min(wait, float64(b.Max)) * (1 + b.Jitter*chance)
	return time.Duration(wait)
}

// jitter keeps workspaces that failed together from being tried together.
func jitter() float64 { return 2*rand.Float64() - 1 }
