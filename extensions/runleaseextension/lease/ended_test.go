package lease

import (
	"testing"
	"time"

	"github.com/evotel/evotel/sandbox"
)

func TestRunEndsByItsOwnWord(t *testing.T) {
	w := newWorld(t)
	w.expect("r", sandbox.RunUnknown, "never heard of")
	s := w.start("a", "", "r", 5*time.Second)
	w.pass(time.Minute)
	w.expect("r", sandbox.RunHeard, "it is running")
	s.quiet = true
	w.say("a", "", "r", Ended)
	w.pass(time.Minute)
	w.expect("r", sandbox.RunUnknown, "its end has not stood for long")
	w.pass(2 * time.Minute)
	w.expect("r", sandbox.RunEnded, "nobody took it back, and nobody else need be heard")
	w.pass(24 * time.Hour)
	w.expect("r", sandbox.RunEnded, "it stays so")
}

func TestEndIsRepeatedByAProcessThatLives(t *testing.T) {
	w := newWorld(t)
	s := w.start("a", "", "r", 5*time.Second)
	w.pass(time.Minute)
	s.word = Ended
	w.pass(3 * time.Minute)
	w.expect("r", sandbox.RunEnded, "the end counts from when it was first heard")
	s.word = Mentioned
	w.pass(time.Minute)
	w.expect("r", sandbox.RunEnded, "the rest of a split export takes nothing back")
}

func TestResumedRunLives(t *testing.T) {
	w := newWorld(t)
	w.say("a", "", "r", Running)
	w.step(time.Second)
	w.say("a", "", "r", Ended)
	w.pass(time.Hour)
	w.expect("r", sandbox.RunEnded, "")
	w.say("a", "", "r", Running)
	w.expect("r", sandbox.RunHeard, "the same source says that it runs")
	w.step(time.Second)
	w.say("a", "", "r", Ended)
	w.pass(time.Hour)
	w.expect("r", sandbox.RunEnded, "")
	w.say("b", "", "r", Mentioned)
	w.expect("r", sandbox.RunHeard, "another source speaks of it")
}

func TestResumedRunIsKnownByItsSandboxesBeforeItIsHeard(t *testing.T) {
	w := newWorld(t)
	w.say("a", "", "r", Running)
	w.step(time.Second)
	w.book.Sandbox("r", w.now.Wall.Add(-time.Second))
	w.say("a", "", "r", Ended)
	w.pass(time.Hour)
	w.book.Sandbox("r", w.now.Wall.Add(-2*time.Hour))
	w.expect("r", sandbox.RunEnded, "its sandboxes are older than its end")
	w.book.Sandbox("r", w.now.Wall)
	w.expect("r", sandbox.RunHeard, "somebody has started one since")
	w.book.Sandbox("other", w.now.Wall)
	w.expect("other", sandbox.RunUnknown, "a sandbox is no telemetry")
}

func TestEndThatArrivesLateEndsNothing(t *testing.T) {
	w := newWorld(t)
	first := w.now.Wall
	w.pass(time.Minute)
	w.say("a", "", "r", Running)
	w.sayAt("a", "", "r", Ended, first)
	w.pass(time.Hour)
	w.expect("r", sandbox.RunHeard, "the end is older than what was heard before")
	w.sayAt("a", "", "r", Ended, w.now.Wall)
	w.sayAt("a", "", "r", Running, first)
	w.pass(time.Hour)
	w.expect("r", sandbox.RunHeard, "that it lives is believed at any rate")
}

func TestRunEndsWhenAllItsSourcesHave(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("a", "", "r", 5*time.Second), w.start("b", "", "r", time.Minute)
	w.pass(10 * time.Minute)
	a.word = Ended
	w.pass(10 * time.Minute)
	w.expect("r", sandbox.RunHeard, "the other goes on")
	b.quiet = true
	w.pass(10 * time.Minute)
	w.expect("r", sandbox.RunHeard, "the other was heard lately")
	w.pass(time.Hour)
	w.expect("r", sandbox.RunSilent, "the other is silent, while the first still talks")
	b.quiet, b.word = false, Ended
	w.pass(10 * time.Minute)
	w.expect("r", sandbox.RunEnded, "")
}

func TestEndWaitsForSlowSources(t *testing.T) {
	w := newWorld(t)
	s := w.start("a", "", "r", 30*time.Minute)
	w.pass(2 * time.Hour)
	s.word = Ended
	w.pass(30 * time.Minute)
	s.quiet = true
	w.pass(20 * time.Minute)
	w.expect("r", sandbox.RunUnknown, "whoever resumes it needs as long to be heard")
	w.pass(time.Hour)
	w.expect("r", sandbox.RunEnded, "")
}

func TestEndSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	w.start("a", "", "r", 5*time.Second)
	w.pass(time.Minute)
	w.sources = nil
	w.say("a", "", "r", Ended)
	w.pass(time.Minute)
	w.restart(24 * time.Hour)
	w.expect("r", sandbox.RunUnknown, "it may have been resumed meanwhile")
	w.pass(time.Minute)
	w.expect("r", sandbox.RunUnknown, "the Collector is young")
	w.pass(2 * time.Minute)
	w.expect("r", sandbox.RunEnded, "")
}

func TestEndDoesNotStandWhileNobodyListens(t *testing.T) {
	w := newWorld(t)
	w.say("a", "", "r", Running)
	w.step(time.Second)
	w.say("a", "", "r", Ended)
	w.pass(time.Minute)
	w.step(time.Hour) // stopped
	w.pass(time.Minute)
	w.expect("r", sandbox.RunUnknown, "who resumed it meanwhile has had one minute to say so")
	w.pass(2 * time.Minute)
	w.expect("r", sandbox.RunEnded, "")
}

func TestClockThatIsSetBackBeforeARestart(t *testing.T) {
	w := newWorld(t)
	w.say("a", "", "r", Running)
	w.step(time.Second)
	w.say("a", "", "r", Ended)
	w.pass(time.Minute)
	w.restart(-50 * time.Minute) // set back by an hour, and away for ten minutes
	w.book.Sandbox("r", w.now.Wall.Add(-5*time.Minute))
	w.pass(30 * time.Minute)
	w.expect("r", sandbox.RunHeard, "the sandbox was started while the Collector was away")
}

func TestEndAfterTheClockWasSetBack(t *testing.T) {
	for name, setBack := range map[string]func(w *world){
		"at once":                func(w *world) { w.now.Wall = w.now.Wall.Add(-time.Hour) },
		"while it was not there": func(w *world) { w.restart(-time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.say("a", "", "r", Running)
			w.step(time.Second)
			w.say("a", "", "r", Ended)
			w.pass(time.Minute)
			setBack(w)
			w.pass(30 * time.Minute)
			w.expect("r", sandbox.RunEnded, "the end stands")
			w.book.Sandbox("r", w.now.Wall)
			w.expect("r", sandbox.RunHeard, "what was started since is younger than the end")
		})
	}
}
