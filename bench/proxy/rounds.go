package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// table is what was measured with one number of connections.
type table struct {
	connections int
	names       []string
	samples     map[string][]sample // by round
}

// compare loads each subject once in every round, in an order that chance has made.
func (f *field) compare(ctx context.Context, o options, connections int) (table, error) {
	t := table{connections: connections, samples: map[string][]sample{}}
	loads := make([]*clients, 0, len(f.subjects))
	defer func() {
		for _, l := range loads {
			l.close()
		}
	}()
	for _, s := range f.subjects {
		t.names = append(t.names, s.name)
		l, err := s.connect(ctx, connections)
		loads = append(loads, l)
		if err != nil {
			return t, err
		}
		if _, err := l.load(o.slice / 4); err != nil { // so that nothing is done for the first time
			return t, err
		}
	}
	order := slices.Clone(loads)
	for range o.rounds {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, l := range order {
			if err := ctx.Err(); err != nil {
				return t, err
			}
			taken, err := l.load(o.slice)
			if err != nil {
				return t, err
			}
			t.samples[l.s.name] = append(t.samples[l.s.name], taken)
		}
	}
	return t, nil
}

func (s sample) cpuPerRequest() float64 { return s.cpu.Seconds() * 1e6 / float64(max(1, s.requests)) }

func (s sample) perSecond() float64 { return float64(s.requests) / s.over.Seconds() }

// ratios compares a subject with another in each round.
func (t *table) ratios(name, with string, of func(sample) float64) (list []float64) {
	for round, s := range t.samples[name] {
		if other := of(t.samples[with][round]); other > 0 {
			list = append(list, of(s)/other)
		}
	}
	return list
}

func (t *table) has(name string) bool { return len(t.samples[name]) > 0 }

// each gives a figure of each round.
func (t *table) each(name string, of func(sample) float64) (list []float64) {
	for _, s := range t.samples[name] {
		list = append(list, of(s))
	}
	return list
}

// delay is a quantile over all rounds.
func (t *table) delay(name string, q float64) time.Duration {
	var all []time.Duration
	for _, s := range t.samples[name] {
		all = append(all, s.delays...)
	}
	return quantile(all, q)
}

// quantile gives the value that the share q of the list is not above; the zero value of an empty list.
func quantile[T float64 | time.Duration](list []T, q float64) T {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
