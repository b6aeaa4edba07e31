package lease

import (
	"time"

	"github.com/evotel/evotel/sandbox"
)

const (
	// patience is how many of its own longest pauses a source may be silent.
	patience = 3
	// hardlyKnown is the part of SilentAfter for which a source must have been
	// heard before its pauses mean anything, and strangerPatience how many
	// times SilentAfter it gets until then. An SDK that exports every two hours
	// may send its first export in several requests.
	hardlyKnown      = 10
	strangerPatience = 24
)

// status judges a run.
func (b *Book) status(r *run, now Instant) sandbox.RunStatus {
	// A sandbox that is younger than the end shows that somebody has resumed
	// the run and only was not heard yet.
	end, ended := r.end()
	resumed := r.newest.After(end.Wall)
	silent := false
	for key, w := range r.words {
		if w.ended && !resumed {
			continue
		}
		s := b.sources[key]
		limit := b.limit(s)
		if b.all.since(s.atAll) <= limit {
			return sandbox.RunHeard
		}
		// Where others are on its host, they must be heard.
		if b.hasCompany(key, s) && b.hosts[s.host].since(s.atHost) <= limit {
			return sandbox.RunUnknown
		}
		silent = true
	}
	switch {
	case r.crowded:
		return sandbox.RunUnknown
	case ended && !resumed && now.Mono-max(end.Mono, b.waking.since) <= b.endedAfter(r):
		return sandbox.RunUnknown
	case silent:
		return sandbox.RunSilent
	}
	return sandbox.RunEnded
}

// end returns when the last source that has ended did so.
func (r *run) end() (end Instant, ended bool) {
	for _, w := range r.words {
		if !w.ended {
			continue
		}
		if !ended || w.since.Mono > end.Mono {
			end.Mono = w.since.Mono
		}
		if w.since.Wall.After(end.Wall) {
			end.Wall = w.since.Wall
		}
		ended = true
	}
	return end, ended
}

func (b *Book) short() time.Duration { return b.policy.SilentAfter / hardlyKnown }

// limit is how long the source may be silent.
func (b *Book) limit(s *source) time.Duration {
	if s.known < b.short() {
		return strangerPatience * b.policy.SilentAfter
	}
	return max(b.policy.SilentAfter, patience*s.longest)
}

// endedAfter is how long the end of the run must stand: whoever resumes it must
// have had the time to say so.
func (b *Book) endedAfter(r *run) time.Duration {
	after := b.policy.EndedAfter
	for key := range r.words {
		after = max(after, 2*b.sources[key].longest)
	}
	return after
}

// hasCompany is whether others on the source's host were heard after it fell
// silent, or fell silent together with it. In the latter case it is more likely
// that their telemetry does not arrive than that all of them died at once.
func (b *Book) hasCompany(key string, s *source) bool {
	short := b.short()
	for other, o := range b.hosts[s.host].sources {
		if other == key {
			continue
		}
		together := max(short, patience*max(s.longest, o.longest))
		if o.known < short {
			together = max(together, b.policy.SilentAfter) // its pauses are not known
		}
		apart := o.atAll - s.atAll
		if max(o.atAll, s.atAll) <= b.all.floor {
			// What was heard before the last gap tells nothing any more.
			apart = o.wall.Sub(s.wall)
		}
		// Who falls silent after its runs have ended just has ended, too.
		ended := o.words > 0 && o.open == 0 && o.last-o.ended <= short
		if apart > together || apart >= -together && !ended {
			return true
		}
	}
	return false
}
