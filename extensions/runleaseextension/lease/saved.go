package lease

import (
	"encoding/json"
	"fmt"
	"time"
)

// version of what is saved.
const version = 1

// saved is a Book on disk. Of the clocks only wall time means anything there.
type saved struct {
	Version int                    `json:"version"`
	Wall    time.Time              `json:"wall"`
	Sources map[string]savedSource `json:"sources"`
	Runs    map[string]savedRun    `json:"runs"`
}

type savedSource struct {
	Host    string        `json:"host,omitempty"`
	Wall    time.Time     `json:"wall"`
	Known   time.Duration `json:"known"`
	Longest time.Duration `json:"longest"`
}

type savedRun struct {
	Wall    time.Time            `json:"wall"`
	Crowded bool                 `json:"crowded,omitempty"`
	Words   map[string]savedWord `json:"words"`
}

type savedWord struct {
	// Ended is when that was first heard; absent if it was not.
	Ended *time.Time `json:"ended,omitempty"`
	Said  uint64     `json:"said,omitempty"`
}

// Changed is whether there are runs or words that were not saved yet.
func (b *Book) Changed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Save returns the Book for Restore.
func (b *Book) Save() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := saved{Version: version, Wall: b.now().Wall, Sources: map[string]savedSource{}, Runs: map[string]savedRun{}}
	for key, from := range b.sources {
		s.Sources[key] = savedSource{Host: from.host, Wall: from.wall, Known: from.known, Longest: from.longest}
	}
	for id, from := range b.runs {
		to := savedRun{Wall: from.wall, Crowded: from.crowded, Words: map[string]savedWord{}}
		for key, w := range from.words {
			sw := savedWord{Said: w.said}
			if w.ended {
				sw.Ended = &w.since.Wall
			}
			to.Words[key] = sw
		}
		s.Runs[id] = to
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing down what is known of runs: %w", err)
	}
	b.changed = false
	return text, nil
}

// Restore fills an empty Book with what another has saved. Nothing that it
// remembers is held against anybody before this Book has listened for long
// enough itself.
func (b *Book) Restore(text []byte) error {
	var s saved
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("reading what was known of runs: %w", err)
	}
	if s.Version != version {
		return fmt.Errorf("reading what was known of runs: version %d, expected %d", s.Version, version)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	// Nothing was heard in the future.
	past := func(t time.Time) time.Time {
		if t.After(now.Wall) {
			return now.Wall
		}
		return t
	}
	// If the clock was set back meanwhile, which sandboxes were created before
	// a run ended can't be told: all count as created after.
	ends := past
	if s.Wall.After(now.Wall) {
		ends = func(time.Time) time.Time { return time.Unix(0, 0) }
	}
	for key, from := range s.Sources {
		if key == "" || len(b.sources) >= sourcesPerRun*b.policy.MaxRuns {
			continue
		}
		to := b.source(key, from.Host, now)
		to.wall, to.ended = past(from.Wall), now.Mono
		to.known, to.longest = max(0, from.Known), min(max(0, from.Longest), b.policy.Retention)
		b.signOfLife(to)
	}
	for id, from := range s.Runs {
		if id == "" || len(id) > maxRunID || len(b.runs) >= b.policy.MaxRuns {
			continue
		}
		r := b.run(id, now)
		r.wall, r.crowded = past(from.Wall), from.Crowded
		for key, sw := range from.Words {
			source, ok := b.sources[key]
			if !ok {
				r.crowded = true
				continue
			}
			w := b.word(r, key, source)
			if w == nil {
				continue
			}
			w.said = sw.Said
			if sw.Ended != nil {
				w.ended, w.since = true, Instant{Mono: now.Mono, Wall: ends(*sw.Ended)}
				source.turn(true, now.Mono)
			}
		}
	}
	b.changed = false
	return nil
}
