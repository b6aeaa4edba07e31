package lease

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
)

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 2_000 {
		w.say(fmt.Sprint("s", i), strings.Repeat("h", 1000), fmt.Sprint("r", i), Ended)
		w.step(time.Millisecond)
	}
	runs, sources, forgotten := w.book.Len()
	assert.Equal(t, policy.MaxRuns, runs)
	assert.Equal(t, sourcesPerRun*policy.MaxRuns, sources)
	assert.EqualValues(t, 2_000-policy.MaxRuns, forgotten)
	w.pass(time.Hour)
	w.expect("r0", sandbox.RunUnknown, "what is forgotten condemns nobody")
	w.expect("r1999", sandbox.RunEnded, "")

	w.say("s", "", strings.Repeat("r", maxRunID+1), Ended)
	w.say("s", "", "", Ended)
	runs, _, _ = w.book.Len()
	assert.Equal(t, policy.MaxRuns, runs)
}

func TestRunOfTooManySourcesIsNotJudged(t *testing.T) {
	w := newWorld(t)
	for i := range maxWords + 1 {
		w.say(fmt.Sprint("s", i), "", "r", Ended)
	}
	w.pass(time.Hour)
	w.expect("r", sandbox.RunUnknown, "one of them was not remembered")
	w.restart(time.Second)
	w.pass(time.Hour)
	w.expect("r", sandbox.RunUnknown, "nor is it after a restart")
}

func TestRunWhoseSourceHadToGoIsNotJudged(t *testing.T) {
	w := newWorld(t)
	w.say("alive", "", "r", Running)
	w.step(time.Second)
	w.say("other", "", "r", Ended)
	for i := range sourcesPerRun*policy.MaxRuns - 1 {
		w.step(time.Millisecond)
		w.say(fmt.Sprint("s", i), "", "", Mentioned)
	}
	w.pass(time.Hour)
	w.expect("r", sandbox.RunUnknown, "the one that was forgotten may live")
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	w.start("b", "", "other", time.Minute)
	a := w.start("a", "", "r", time.Minute)
	w.pass(time.Hour)
	a.quiet = true
	w.pass(6 * 24 * time.Hour)
	w.expect("r", sandbox.RunSilent, "")
	w.pass(25 * time.Hour)
	w.expect("r", sandbox.RunUnknown, "forgotten")
	runs, sources, forgotten := w.book.Len()
	assert.Equal(t, []int64{1, 1, 0}, []int64{int64(runs), int64(sources), forgotten})
}

func TestSourceThatDiedLongAgoIsForgottenByItsRun(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("a", "", "r", time.Minute), w.start("b", "", "r", time.Minute)
	w.pass(time.Hour)
	a.quiet = true
	w.pass(8 * 24 * time.Hour)
	b.word = Ended
	w.pass(time.Hour)
	w.expect("r", sandbox.RunEnded, "")
}

func TestWhatWasSavedIsCheckedWhenRead(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"", "{", `{"version": 2}`, `[]`, `{"version": 1, "runs": 3}`} {
		require.ErrorContains(t, w.book.Restore([]byte(text)), "what was known of runs", text)
	}
	require.NoError(t, w.book.Restore([]byte(`{"version": 1, "runs": {"": {}, "r": {"wall": "2026-01-02T03:00:00Z", "words": {"nobody": {"ended": "2026-01-01T00:00:00Z"}}}, "q": {}},
		"sources": {"": {}, "a": {"known": -5, "longest": -7}}}`)))
	w.pass(time.Hour)
	w.expect("r", sandbox.RunUnknown, "")
	w.say("a", "", "r", Ended)
	w.pass(time.Hour)
	w.expect("r", sandbox.RunUnknown, "a source of it is missing")
}

func FuzzRestore(f *testing.F) {
	w := newWorld(&testing.T{})
	w.say("a", "h", "r", Running)
	w.say("b", "h", "r", Ended)
	text, err := w.book.Save()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version": 1, "runs": {"r": {"words": {"a": null}}}, "sources": {"a": {"wall": "9999-12-31T23:59:59Z", "longest": 9223372036854775807}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		w := newWorld(t)
		if w.book.Restore(text) != nil {
			return
		}
		for id := range w.book.runs {
			if status := w.book.Run(id); status == sandbox.RunSilent || status == sandbox.RunEnded {
				t.Fatalf("a young Collector condemns %q: %v", id, status)
			}
		}
		w.say("a", "h", "r", Running)
		w.pass(time.Minute)
		if _, err := w.book.Save(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSourceThatIsNotKnownToBeSilentIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("a", "", "r", time.Minute), w.start("b", "", "r", 30*time.Minute)
	w.pass(2 * time.Hour)
	a.quiet, b.word = true, Ended
	w.pass(8 * 24 * time.Hour)
	w.expect("r", sandbox.RunHeard, "one word in half an hour is not enough to tell that the other is silent")
}
