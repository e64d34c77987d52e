package measure

import (
	"fmt"
	"slices"
	"time"
)

// Quantile gives the time that the share of all is not above; 0 of none.
func Quantile(times []time.Duration, share float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// Mean gives the average; 0 of none.
func Mean(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	var total time.Duration
	for _, one := range times {
		total += one
	}
	return total / time.Duration(len(times))
}

// Millis writes a time in milliseconds.
func Millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// Seconds writes a time in seconds.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
