package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
)

// The policy of the tests. A source is known after 6 minutes.
var policy = Policy{SilentAfter: time.Hour, EndedAfter: 2 * time.Minute, Retention: 7 * 24 * time.Hour, MaxRuns: 100, Tick: 5 * time.Second}

// world is a Collector and those who send to it.
type world struct {
	t    *testing.T
	now  Instant
	book *Book
	// sources that send by themselves, while the world goes on.
	sources []*sender
}

// sender is a source that reports a run every so often.
type sender struct {
	name, host, run string
	every           time.Duration
	word            Word
	quiet           bool
	next            time.Duration
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: Instant{Mono: 5 * time.Second, Wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	w.book = NewBook(policy, func() Instant { return w.now })
	return w
}

// start adds a source of a run that sends every so often.
func (w *world) start(name, host, run string, every time.Duration) *sender {
	s := &sender{name: name, host: host, run: run, every: every, word: Running, next: w.now.Mono}
	w.sources = append(w.sources, s)
	return s
}

// pass lets time pass while everybody is awake.
func (w *world) pass(d time.Duration) {
	for end := w.now.Mono + d; w.now.Mono < end; {
		w.book.Tick()
		for _, s := range w.sources {
			if s.next > w.now.Mono {
				continue
			}
			s.next = w.now.Mono + s.every
			if !s.quiet {
				w.say(s.name, s.host, s.run, s.word)
			}
		}
		w.step(policy.Tick)
	}
	w.book.Tick()
}

// step lets both clocks advance without anybody doing anything.
func (w *world) step(d time.Duration) {
	w.now.Mono += d
	w.now.Wall = w.now.Wall.Add(d)
}

func (w *world) say(name, host, run string, word Word) {
	w.sayAt(name, host, run, word, w.now.Wall)
}

func (w *world) sayAt(name, host, run string, word Word, at time.Time) {
	report := Report{Source: name, Host: host}
	if run != "" {
		report.Runs = map[string]Saying{run: {Word: word, Time: uint64(at.UnixNano())}}
	}
	w.book.Hear(report)
}

// restart ends the Collector, which is away for a while, and starts it again.
func (w *world) restart(away time.Duration) {
	w.t.Helper()
	text, err := w.book.Save()
	require.NoError(w.t, err)
	w.now.Wall = w.now.Wall.Add(away)
	w.now.Mono = 3 * time.Second
	for _, s := range w.sources {
		s.next = w.now.Mono + s.every/2
	}
	w.book = NewBook(policy, func() Instant { return w.now })
	require.NoError(w.t, w.book.Restore(text))
}

func (w *world) expect(run string, want sandbox.RunStatus, why string) {
	w.t.Helper()
	names := []string{"unknown", "heard", "silent", "ended"}
	assert.Equal(w.t, names[want], names[w.book.Run(run)], why)
}
