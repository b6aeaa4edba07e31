package lease

import "time"

// Instant is a moment by both clocks. Mono never jumps, but need not advance
// while the machine is suspended; it begins anywhere. Wall may be stepped.
type Instant struct {
	Mono time.Duration
	Wall time.Time
}

// steppedBack is from when on a wall clock that lags behind the monotonic one
// was stepped, and not only slewed.
const steppedBack = time.Second

// waking notices when the Collector did not run for a while.
type waking struct {
	// limit is how late a tick can be on a busy machine before it was a gap.
	limit time.Duration
	last  Instant
	since time.Duration // Mono since which there was no gap
}

// pass lets time pass. A gap, in which we did not run or the machine slept, makes
// us young again; so does a wall clock that is stepped ahead, which looks the
// same. It returns by how much the wall clock was stepped back, or 0.
func (w *waking) pass(now Instant) (gap bool, back time.Duration) {
	mono := now.Mono - w.last.Mono
	ahead := now.Wall.Sub(w.last.Wall) - mono
	gap = mono > w.limit || ahead > w.limit
	if gap {
		w.since = now.Mono
	}
	w.last = now
	if -ahead > steppedBack {
		back = -ahead
	}
	return gap, back
}

// hearing is a clock that advances only while somebody is heard.
type hearing struct {
	time  time.Duration
	floor time.Duration // its time when the last gap ended: no silence began before
	heard time.Duration // Mono at which somebody was last heard since then
	any   bool          // somebody was
}

// hear takes note that somebody was heard. Between two hearings that are farther
// apart than deaf nobody knows what would have been heard.
func (h *hearing) hear(now, awake, deaf time.Duration) {
	since := awake
	if h.any {
		since = h.heard
	}
	if passed := now - since; passed <= deaf {
		h.time += passed
	}
	h.heard, h.any = now, true
}

// wake forgets what was before a gap.
func (h *hearing) wake() { h.floor, h.any = h.time, false }

// since is how much was heard since then, or since the last gap.
func (h *hearing) since(t time.Duration) time.Duration { return h.time - max(t, h.floor) }
