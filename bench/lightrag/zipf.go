package main

import (
	"container/list"
	"math"
	"math/rand/v2"
	"sort"
)

// zipf gives n numbers below size, of which k comes as often as (k+1)^-s says; the same ones each time for equal arguments.
func zipf(n, size int, s float64) []int {
	shares := make([]float64, size)
	total := 0.0
	for k := range shares {
		total += math.Pow(float64(k+1), -s)
		shares[k] = total
	}
	random := rand.New(rand.NewPCG(1, math.Float64bits(s)))
	sequence := make([]int, n)
	for i := range sequence {
		sequence[i] = min(sort.SearchFloat64s(shares, random.Float64()*total), size-1)
	}
	return sequence
}

// ideal is a pool of so many places that forgets who was used longest ago, and nothing else: what no pool that does not
// see the future can be expected to beat.
type ideal struct {
	places int
	order  *list.List // the newest first
	at     map[int]*list.Element
}

func newIdeal(places int) *ideal {
	return &ideal{places: places, order: list.New(), at: map[int]*list.Element{}}
}

// use asks for one and reports whether it was there.
func (l *ideal) use(which int) bool {
	if there, found := l.at[which]; found {
		l.order.MoveToFront(there)
		return true
	}
	l.at[which] = l.order.PushFront(which)
	if l.order.Len() > l.places {
		last := l.order.Back()
		delete(l.at, l.order.Remove(last).(int))
	}
	return false
}
