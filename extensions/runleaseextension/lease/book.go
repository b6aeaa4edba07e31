package lease

import (
	"sync"
	"time"

	"github.com/evotel/evotel/sandbox"
)

// Policy says when something is proven.
type Policy struct {
	// SilentAfter is how much hearing of others without a word from a run
	// makes it silent.
	SilentAfter time.Duration
	// EndedAfter is how long the end of a run must stand.
	EndedAfter time.Duration
	// Retention is how long who is not heard any more is remembered.
	Retention time.Duration
	// MaxRuns bounds how many runs are remembered, and, times sourcesPerRun,
	// how many sources.
	MaxRuns int
	// Tick is how often Tick is called.
	Tick time.Duration
}

// Word is what a source says of a run.
type Word int

// The words of a source.
const (
	// Mentioned: there is telemetry of the run, which does not say how it is.
	Mentioned Word = iota
	// Running, by its own word.
	Running
	// Ended, completed or failed, by its own word.
	Ended
)

// Report is what one source says in one request.
type Report struct {
	// Source identifies it; not empty.
	Source string
	// Host is where it runs; empty if not known.
	Host string
	// Runs are those that it speaks of.
	Runs map[string]Saying
}

// Saying is a word and when the source says that it was so, by its own clock in
// nanoseconds since 1970.
type Saying struct {
	Word Word
	Time uint64
}

// Book remembers runs. It is safe for use by many goroutines.
type Book struct {
	policy Policy
	clock  func() Instant

	mu     sync.Mutex
	waking waking
	// all hears everybody.
	all     hearing
	runs    map[string]*run
	sources map[string]*source
	hosts   map[string]*host
	// changed is whether a run or a word is new since the last Save.
	changed bool
	// forgotten counts runs that had to go for others.
	forgotten int64
}

// source is a sender of telemetry.
type source struct {
	host string
	// last and wall are when it was last heard.
	last time.Duration // Mono
	wall time.Time
	// atAll and atHost are how much was heard of everybody, and of its host,
	// when it last gave a sign of life.
	atAll, atHost time.Duration
	// known is for how long it was heard, longest the longest pause therein.
	known, longest time.Duration
	// words counts the runs that it has spoken of, open those of them that it
	// has not said to have ended, and ended is when (Mono) that became 0.
	words, open int
	ended       time.Duration
}

// host is a machine with its sources. Those of which it is not known share one.
type host struct {
	hearing
	sources map[string]*source
}

// run is what is known of a run.
type run struct {
	words map[string]*word // by source
	// wall is when any source last mentioned it.
	wall time.Time
	// newest is when its newest sandbox was created.
	newest time.Time
	// crowded runs have had more sources than could be remembered. Nothing can
	// be proven of them.
	crowded bool
}

// word is what a source last said of a run.
type word struct {
	ended bool
	said  uint64 // by its own clock
	// since is when it was first heard to have ended, by both clocks.
	since Instant
}

// NewBook returns an empty Book that reads the time from clock.
func NewBook(policy Policy, clock func() Instant) *Book {
	now := clock()
	return &Book{
		policy: policy, clock: clock,
		waking: waking{limit: max(4*policy.Tick, 2*time.Second), last: now, since: now.Mono},
		runs:   map[string]*run{}, sources: map[string]*source{}, hosts: map[string]*host{},
	}
}

// now lets time pass, and mends what a wall clock that was stepped back would
// put into the future.
func (b *Book) now() Instant {
	now := b.clock()
	gap, back := b.waking.pass(now)
	if gap {
		b.all.wake()
		for _, h := range b.hosts {
			h.wake()
		}
	}
	if back == 0 {
		return now
	}
	for _, s := range b.sources {
		s.wall = s.wall.Add(-back)
	}
	for _, r := range b.runs {
		r.wall = r.wall.Add(-back)
		if r.newest.After(now.Wall) {
			r.newest = now.Wall
		}
		for _, w := range r.words {
			w.since.Wall = w.since.Wall.Add(-back)
		}
	}
	return now
}

// Hear takes note of a report.
func (b *Book) Hear(report Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	s := b.source(report.Source, report.Host, now)
	b.all.hear(now.Mono, b.waking.since, b.deaf())
	b.hosts[s.host].hear(now.Mono, b.waking.since, b.deaf())
	since := max(s.last, b.waking.since)
	s.hear(now.Mono-since, s.last > b.waking.since, b.limit(s))
	s.last, s.wall = now.Mono, now.Wall
	b.signOfLife(s)
	for id, saying := range report.Runs {
		if id == "" || len(id) > maxRunID {
			continue // no label can name it
		}
		r := b.run(id, now)
		r.wall = now.Wall
		w := b.word(r, report.Source, s)
		if w != nil && w.hear(saying, now) {
			b.changed = true
			s.turn(w.ended, now.Mono)
		}
	}
}

// deaf is the longest time between two hearings that counts as hearing.
func (b *Book) deaf() time.Duration { return b.policy.SilentAfter / 4 }

func (b *Book) signOfLife(s *source) { s.atAll, s.atHost = b.all.time, b.hosts[s.host].time }

// turn counts a run that the source has said to have ended, or to run again.
func (s *source) turn(ended bool, now time.Duration) {
	if !ended {
		s.open++
		return
	}
	s.open--
	if s.open == 0 {
		s.ended = now
	}
}

// hear learns how long the source's pauses are. After one that was too long it
// is another source by the same name, or might as well be. If all of its runs
// had ended, much less is too long. A pause that was not heard whole, since it
// began before a gap, was longer, and it is not known by how much.
func (s *source) hear(pause time.Duration, whole bool, limit time.Duration) {
	if s.words > 0 && s.open == 0 {
		limit = min(limit, patience*s.longest)
	}
	if pause > limit {
		s.known, s.longest = 0, 0
		return
	}
	if whole {
		s.known += pause
	}
	s.longest = max(s.longest, pause)
}

// hear takes note of what is said, and returns whether it changes anything.
// Requests can arrive late and in another order than they were sent. That a run
// lives is believed at any rate, that it ended only if nothing newer was said.
func (w *word) hear(s Saying, now Instant) bool {
	switch {
	case s.Word == Running && w.ended:
		w.ended, w.said = false, max(w.said, s.Time)
		return true
	case s.Word == Running:
		w.said = max(w.said, s.Time)
	case s.Word == Ended && !w.ended && (s.Time > w.said || w.said == 0):
		w.ended, w.said, w.since = true, s.Time, now
		return true
	}
	return false
}

// Sandbox takes note that the run has a sandbox that was created then. A run
// that starts sandboxes lives, though it is not heard.
func (b *Book) Sandbox(id string, created time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	// By the Engine's clock, or before ours was set back, it may be yet to come.
	if created.After(now.Wall) {
		created = now.Wall
	}
	r, ok := b.runs[id]
	if !ok || !created.After(r.newest) {
		return
	}
	r.newest = created
	if created.After(r.wall) {
		for key := range r.words {
			b.signOfLife(b.sources[key])
		}
	}
}

// Run says what telemetry knows of a run.
func (b *Book) Run(id string) sandbox.RunStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	r, ok := b.runs[id]
	if !ok || len(r.words) == 0 {
		return sandbox.RunUnknown
	}
	return b.status(r, now)
}

// Tick must be called regularly. It forgets who has not been heard for long.
func (b *Book) Tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(b.now())
}

// Len returns how many runs and sources are remembered, and how many runs had
// to be forgotten for others.
func (b *Book) Len() (runs, sources int, forgotten int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.runs), len(b.sources), b.forgotten
}
