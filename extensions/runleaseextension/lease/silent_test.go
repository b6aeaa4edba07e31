package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
)

func TestSilenceWhileOthersAreHeard(t *testing.T) {
	w := newWorld(t)
	r := w.start("a", "", "r", 5*time.Second)
	w.start("b", "", "other", 60*time.Second)
	w.pass(10 * time.Minute)
	r.quiet = true
	w.pass(59 * time.Minute)
	w.expect("r", sandbox.RunHeard, "not long enough")
	w.pass(3 * time.Minute)
	w.expect("r", sandbox.RunSilent, "")
	w.expect("other", sandbox.RunHeard, "")
	r.quiet = false
	w.pass(time.Minute)
	w.expect("r", sandbox.RunHeard, "it is back")
}

func TestTelemetryWithoutRunsIsHearingToo(t *testing.T) {
	w := newWorld(t)
	r := w.start("a", "h", "r", 5*time.Second)
	w.start("app", "h", "", 60*time.Second)
	w.pass(10 * time.Minute)
	r.run = "" // the process lives, and says nothing of the run
	w.pass(2 * time.Hour)
	w.expect("r", sandbox.RunHeard, "its process is heard")
	r.quiet = true
	w.pass(2 * time.Hour)
	w.expect("r", sandbox.RunSilent, "")
}

func TestNobodyIsSilentWhenNobodyIsHeard(t *testing.T) {
	w := newWorld(t)
	all := []*sender{w.start("a", "h", "r", 5*time.Second), w.start("b", "h", "other", 5*time.Second), w.start("c", "h2", "", time.Minute)}
	w.pass(time.Hour)
	for _, s := range all {
		s.quiet = true
	}
	w.pass(5 * 24 * time.Hour)
	w.expect("r", sandbox.RunHeard, "the Collector is deaf")
	// Who returns first is no witness of the time in which nobody was heard.
	all[1].quiet = false
	w.pass(time.Minute)
	w.expect("r", sandbox.RunHeard, "")
	w.pass(30 * time.Minute)
	w.expect("r", sandbox.RunHeard, "")
	w.pass(32 * time.Minute)
	w.expect("r", sandbox.RunSilent, "now others were heard for an hour")
}

func TestSlowLoopIsNotSilentBetweenItsExports(t *testing.T) {
	for _, every := range []time.Duration{time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 5 * time.Hour} {
		w := newWorld(t)
		w.start("b", "", "other", 30*time.Second)
		w.pass(time.Hour)
		s := w.start("slow", "", "r", every)
		for range 100 {
			w.pass(30 * time.Minute)
			require.Equal(t, sandbox.RunHeard, w.book.Run("r"), "a loop that exports every %v", every)
		}
		s.quiet = true
		w.pass(max(time.Hour, 3*every) + 20*time.Minute)
		w.expect("r", sandbox.RunSilent, "three of its pauses have passed")
	}
}

func TestSourceThatIsHardlyKnownGetsPatience(t *testing.T) {
	w := newWorld(t)
	w.start("b", "", "other", 30*time.Second)
	w.pass(10 * time.Minute)
	// One export, in several requests.
	for range 5 {
		w.say("a", "", "r", Running)
		w.step(50 * time.Millisecond)
	}
	w.pass(20 * time.Hour)
	w.expect("r", sandbox.RunHeard, "how long its pauses are is not known")
	w.pass(5 * time.Hour)
	w.expect("r", sandbox.RunSilent, "")
}

// silentSoon is a run that will be silent in a minute.
func silentSoon(t *testing.T) (w *world) {
	w = newWorld(t)
	r := w.start("a", "", "r", 5*time.Second)
	w.start("b", "", "other", 5*time.Second)
	w.pass(10 * time.Minute)
	r.quiet = true
	w.pass(59 * time.Minute)
	return w
}

func TestNobodyIsSilentForAYoungCollector(t *testing.T) {
	for name, gap := range map[string]func(w *world){
		"restarted": func(w *world) { w.restart(time.Second) },
		"away":      func(w *world) { w.restart(5 * 24 * time.Hour) },
		"stopped":   func(w *world) { w.step(30 * time.Second) },
		"suspended": func(w *world) { w.now.Wall = w.now.Wall.Add(8 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := silentSoon(t)
			gap(w)
			w.expect("r", sandbox.RunHeard, "asked before anything else")
			w.pass(58 * time.Minute)
			w.expect("r", sandbox.RunHeard, "it has not listened for an hour since")
			w.pass(4 * time.Minute)
			w.expect("r", sandbox.RunSilent, "")
		})
	}
}

func TestRunThatStartsSandboxesIsNotSilent(t *testing.T) {
	w := silentSoon(t)
	for range 5 {
		w.book.Sandbox("r", w.now.Wall)
		w.pass(50 * time.Minute)
		w.expect("r", sandbox.RunHeard, "it has started a sandbox")
	}
	w.book.Sandbox("r", w.now.Wall.Add(-50*time.Minute))
	w.pass(12 * time.Minute)
	w.expect("r", sandbox.RunSilent, "it has not for an hour")
}

func TestRunThatStartsSandboxesAfterTheClockWasSetBack(t *testing.T) {
	w := silentSoon(t)
	w.book.Sandbox("r", w.now.Wall)
	w.now.Wall = w.now.Wall.Add(-4 * time.Hour)
	w.pass(50 * time.Minute)
	w.book.Sandbox("r", w.now.Wall)
	w.pass(50 * time.Minute)
	w.expect("r", sandbox.RunHeard, "it has started a sandbox")
}

func TestHostThatIsCutOffIsNotSilent(t *testing.T) {
	for _, host := range []string{"h", ""} {
		w := newWorld(t)
		r, s := w.start("a", host, "r", 5*time.Second), w.start("b", host, "s", 60*time.Second)
		w.start("c", "elsewhere", "other", 5*time.Second)
		w.pass(20 * time.Minute)
		r.quiet, s.quiet = true, true
		w.pass(24 * time.Hour)
		w.expect("r", sandbox.RunUnknown, "all of its host fell silent together")
		w.expect("s", sandbox.RunUnknown, "")
		w.restart(time.Hour)
		w.pass(24 * time.Hour)
		w.expect("r", sandbox.RunUnknown, "a restart makes no difference")
		s.quiet = false
		w.pass(2 * time.Hour)
		w.expect("r", sandbox.RunSilent, "its host is heard again, and it is not")
	}
}

func TestHostWhoseOthersEndedIsNotCutOff(t *testing.T) {
	w := newWorld(t)
	r, s := w.start("a", "h", "r", 5*time.Second), w.start("b", "h", "s", 5*time.Second)
	w.start("c", "elsewhere", "other", 5*time.Second)
	w.pass(20 * time.Minute)
	s.word = Ended
	w.pass(10 * time.Second)
	r.quiet, s.quiet = true, true
	w.pass(2 * time.Hour)
	w.expect("r", sandbox.RunSilent, "")
	w.expect("s", sandbox.RunEnded, "")
}

func TestWhoDiedLongAgoIsNoCompanyAfterARestart(t *testing.T) {
	w := newWorld(t)
	early, r := w.start("a", "h", "early", 5*time.Second), w.start("b", "h", "r", 5*time.Second)
	w.start("c", "elsewhere", "other", 5*time.Second)
	w.pass(20 * time.Minute)
	early.quiet = true
	w.pass(24 * time.Hour)
	r.quiet = true
	w.pass(10 * time.Minute)
	w.restart(time.Minute)
	w.pass(2 * time.Hour)
	w.expect("r", sandbox.RunSilent, "")
}

func TestHostThatIsCutOffTwiceIsNotSilent(t *testing.T) {
	w := newWorld(t)
	slow, r := w.start("a", "h", "slow", 30*time.Minute), w.start("b", "h", "r", time.Minute)
	w.start("c", "elsewhere", "other", 5*time.Second)
	w.pass(20 * time.Hour)
	slow.quiet, r.quiet = true, true
	w.pass(24 * time.Hour)
	slow.quiet, r.quiet, slow.next = false, false, w.now.Mono
	w.pass(20 * time.Minute) // the slow one is heard once, so that its pauses are not known
	slow.quiet, r.quiet = true, true
	w.pass(20 * time.Hour)
	w.expect("r", sandbox.RunUnknown, "")
}

func TestWhoSendsThoughItsRunsHaveEndedIsCompany(t *testing.T) {
	w := newWorld(t)
	r, s := w.start("a", "h", "r", 5*time.Second), w.start("b", "h", "s", 5*time.Second)
	w.start("c", "elsewhere", "other", 5*time.Second)
	w.pass(20 * time.Minute)
	s.word = Ended
	w.pass(time.Hour)
	r.quiet, s.quiet = true, true
	w.pass(24 * time.Hour)
	w.expect("r", sandbox.RunUnknown, "a process that had outlived its run fell silent, too: the host is cut off")
}

func TestTimeInWhichTheCollectorStoodIsNoPauseOfASource(t *testing.T) {
	w := newWorld(t)
	r := w.start("a", "", "r", 5*time.Second)
	w.start("b", "", "other", 5*time.Second)
	w.pass(time.Hour)
	w.step(50 * time.Minute)
	w.pass(time.Hour)
	r.quiet = true
	w.pass(70 * time.Minute)
	w.expect("r", sandbox.RunSilent, "")
}

func TestPauseThatBeganBeforeAGapIsNotKnown(t *testing.T) {
	w := newWorld(t)
	w.start("b", "", "other", 5*time.Second)
	slow := w.start("a", "", "r", 2*time.Hour)
	w.pass(2*time.Hour - 25*time.Minute)
	w.restart(time.Second)
	slow.next = w.now.Mono + 25*time.Minute
	for range 10 {
		w.pass(30 * time.Minute)
		w.expect("r", sandbox.RunHeard, "it exports every two hours")
	}
}

func TestAnotherProcessByTheSameNameMayBeSlower(t *testing.T) {
	w := newWorld(t)
	r := w.start("a", "", "r", 5*time.Second)
	w.start("b", "", "other", 5*time.Second)
	w.pass(time.Hour)
	r.quiet = true
	w.pass(5 * time.Hour)
	r.quiet, r.every, r.next = false, 2*time.Hour, w.now.Mono
	for range 20 {
		w.pass(30 * time.Minute)
		w.expect("r", sandbox.RunHeard, "it exports every two hours")
	}
}

func TestSandboxesOfAnEngineWhoseClockWasAhead(t *testing.T) {
	w := silentSoon(t)
	w.book.Sandbox("r", w.now.Wall.Add(3*time.Hour))
	w.pass(50 * time.Minute)
	w.book.Sandbox("r", w.now.Wall)
	w.pass(50 * time.Minute)
	w.expect("r", sandbox.RunHeard, "it has started a sandbox by the clock that was set right")
}

func TestHostIsHeardForAsLongAsOthers(t *testing.T) {
	w := newWorld(t)
	r, s := w.start("a", "h", "r", 5*time.Second), w.start("b", "h", "s", 5*time.Second)
	w.start("c", "elsewhere", "other", 5*time.Second)
	w.pass(20 * time.Minute)
	r.quiet = true
	w.pass(40 * time.Minute)
	s.quiet = true
	w.pass(24 * time.Hour)
	w.expect("r", sandbox.RunUnknown, "its host was heard for 40 minutes without it, and is not any more")
	s.quiet = false
	w.pass(15 * time.Minute)
	w.expect("r", sandbox.RunUnknown, "")
	w.pass(10 * time.Minute)
	w.expect("r", sandbox.RunSilent, "")
}

func TestReturnAfterALongPauseIsABeginning(t *testing.T) {
	w := newWorld(t)
	r := w.start("a", "", "r", 5*time.Second)
	w.start("b", "", "other", 5*time.Second)
	w.pass(time.Hour)
	r.quiet = true
	w.pass(3 * 24 * time.Hour)
	r.quiet = false
	w.pass(time.Hour)
	r.quiet = true
	w.pass(2 * time.Hour)
	w.expect("r", sandbox.RunSilent, "the three days are not its usual pause")
}
