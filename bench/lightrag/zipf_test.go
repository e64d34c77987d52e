package main

import (
	"math"
	"slices"
	"testing"
)

func TestZipf_IsAsUnevenAsItSays(t *testing.T) {
	t.Parallel()
	const n, size = 200_000, 300
	for _, s := range []float64{1, 1.5, 2} {
		total := 0.0
		for k := 1; k <= size; k++ {
			total += math.Pow(float64(k), -s)
		}
		counts := make([]int, size)
		for _, k := range zipf(n, size, s) {
			counts[k]++
		}
		for _, k := range []int{0, 1, 9} {
			want := math.Pow(float64(k+1), -s) / total
			if got := float64(counts[k]) / n; math.Abs(got-want) > 0.1*want {
				t.Errorf("s = %v: number %d has a share of %.4f, want %.4f", s, k, got, want)
			}
		}
	}
	if !slices.Equal(zipf(100, 10, 1.2), zipf(100, 10, 1.2)) {
		t.Error("two sequences of equal arguments differ")
	}
}

func TestIdeal_ForgetsTheOneUsedLongestAgo(t *testing.T) {
	t.Parallel()
	l := newIdeal(2)
	var hits []bool
	for _, which := range []int{1, 2, 1, 3, 2, 1, 1} {
		hits = append(hits, l.use(which))
	}
	if want := []bool{false, false, true, false, false, false, true}; !slices.Equal(hits, want) {
		t.Errorf("got %v, want %v", hits, want)
	}
}

// The figure that the project's target is taken from: of 300 workspaces on 20 places.
func TestIdeal_HitsByZipf(t *testing.T) {
	t.Parallel()
	l, hits := newIdeal(20), 0
	const n = 50_000
	for _, which := range zipf(n, 300, 2) {
		if l.use(which) {
			hits++
		}
	}
	if share := float64(hits) / n; share < 0.95 || share > 0.98 {
		t.Errorf("an ideal LRU hits %.3f of the time, want about 0.96", share)
	}
}
