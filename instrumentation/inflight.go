package instrumentation

import (
	"sync"
	"time"
)

// inflight is the set of things that have begun and not ended. Beginning and
// ending allocate nothing once the set has been as large before. The zero value
// is ready.
type inflight struct {
	mu     sync.Mutex
	places []place
	free   []uint32
	active int
}

// place is where something in flight stands. Its generation goes up whenever it
// is left, so that a ticket is good only once.
type place struct {
	start      time.Time
	generation uint32
	taken      bool
}

// ticket is proof of having begun.
type ticket struct {
	place      uint32
	generation uint32
}

func (f *inflight) begin(now time.Time) ticket {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active++
	var i uint32
	if n := len(f.free); n > 0 {
		i = f.free[n-1]
		f.free = f.free[:n-1]
	} else {
		i = uint32(len(f.places))
		f.places = append(f.places, place{})
	}
	p := &f.places[i]
	p.start, p.taken = now, true
	return ticket{place: i, generation: p.generation}
}

// end gives the ticket back. It returns when it was taken, or false if it had
// been given back before.
func (f *inflight) end(t ticket) (start time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if int(t.place) >= len(f.places) {
		return time.Time{}, false
	}
	p := &f.places[t.place]
	if !p.taken || p.generation != t.generation {
		return time.Time{}, false
	}
	start = p.start
	p.taken = false
	p.generation++
	f.free = append(f.free, t.place)
	f.active--
	return start, true
}

// count returns how many are in flight, and when the oldest of them began.
func (f *inflight) count() (active int, oldest time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active == 0 {
		return 0, time.Time{}
	}
	for i := range f.places {
		if p := &f.places[i]; p.taken && (oldest.IsZero() || p.start.Before(oldest)) {
			oldest = p.start
		}
	}
	return f.active, oldest
}
