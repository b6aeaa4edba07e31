package sandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/evotel/evotel/sandbox"
)

var (
	noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	host = sandbox.Host{
		Machines: []string{"0123456789abcdef0123456789abcdef", "boot-b1"}, Boot: "b1",
		Booted: noon.Add(-48 * time.Hour), PIDNS: "pid:[4026531836]",
	}
	owner = sandbox.Owner{
		Machine: "0123456789abcdef0123456789abcdef", Boot: "b1", PID: 4711, Start: 99, PIDNS: "pid:[4026531836]",
		Container: "c0ffeec0ffee",
	}
	policy = sandbox.Policy{ExitedAfter: 10 * time.Minute, MaxAge: 24 * time.Hour}
)

// scene is all that a verdict depends on. The one that the tests start from has
// a live owner in a running container, and nothing is wrong.
type scene struct {
	claim  sandbox.Claim
	state  sandbox.State
	seen   sandbox.Observations
	policy sandbox.Policy
}

func peace() scene {
	return scene{
		claim: sandbox.Claim{Sandbox: true, Run: "r", Owner: owner, Deadline: noon.Add(time.Hour)},
		state: sandbox.State{Status: sandbox.StateRunning, Created: noon.Add(-time.Hour)},
		seen: sandbox.Observations{
			Now: noon, Host: host, Process: sandbox.Process{Status: sandbox.ProcessRunning, Start: 99},
			OwnerContainer: sandbox.ContainerRunning, Run: sandbox.RunHeard,
		},
		policy: policy,
	}
}

func (s scene) verdict() sandbox.Verdict { return sandbox.Judge(s.claim, s.state, s.seen, s.policy) }

func live() sandbox.Verdict { return sandbox.Verdict{Kind: sandbox.Live} }
func orphan(r sandbox.Reason) sandbox.Verdict {
	return sandbox.Verdict{Kind: sandbox.Orphan, Reason: r}
}
func unproven(r sandbox.Reason) sandbox.Verdict {
	return sandbox.Verdict{Kind: sandbox.Unverifiable, Reason: r}
}

func TestJudgeTakesTheFirstSignalThatProvesSomething(t *testing.T) {
	// All signals speak at once. Each step silences the first of them.
	s := peace()
	s.claim.Deadline = noon.Add(-time.Second)
	s.seen.OwnerContainer = sandbox.ContainerGone
	s.claim.Owner.Boot = "b0"
	s.state = sandbox.State{Status: sandbox.StateExited, Created: noon.Add(-72 * time.Hour), Finished: noon.Add(-71 * time.Hour)}
	s.seen.Process = sandbox.Process{Status: sandbox.ProcessGone}
	s.seen.Run = sandbox.RunSilent
	steps := []struct {
		want    sandbox.Verdict
		silence func()
	}{
		{orphan(sandbox.ReasonDeadline), func() { s.claim.Deadline = time.Time{} }},
		{orphan(sandbox.ReasonOwnerContainerGone), func() { s.seen.OwnerContainer = sandbox.ContainerRunning }},
		{orphan(sandbox.ReasonHostRebooted), func() { s.claim.Owner.Boot = "b1" }},
		{orphan(sandbox.ReasonOwnerGone), func() { s.seen.Process = sandbox.Process{Status: sandbox.ProcessRunning, Start: 99} }},
		{orphan(sandbox.ReasonExited), func() { s.policy.ExitedAfter = 0 }},
		{live(), func() { s.claim.Owner.PIDNS = "pid:[1]" }},
		{orphan(sandbox.ReasonRunSilent), func() { s.seen.Run = sandbox.RunEnded }},
		{orphan(sandbox.ReasonRunEnded), func() { s.seen.Run = sandbox.RunHeard }},
		{orphan(sandbox.ReasonMaxAge), func() { s.policy.MaxAge = 0 }},
		{unproven(sandbox.ReasonOtherPIDNS), func() {}},
	}
	for i, step := range steps {
		assert.Equal(t, step.want, s.verdict(), "step %d", i)
		step.silence()
	}
}

func TestJudge(t *testing.T) {
	gone := sandbox.Process{Status: sandbox.ProcessGone}
	tests := []struct {
		name   string
		change func(s *scene)
		want   sandbox.Verdict
	}{
		{"all is well", func(*scene) {}, live()},

		// 1: the owner's word.
		{"deadline passed, owner alive", func(s *scene) { s.claim.Deadline = noon.Add(-time.Nanosecond) }, orphan(sandbox.ReasonDeadline)},
		{"deadline in 1970, owner alive", func(s *scene) { s.claim.Deadline = time.Unix(0, 0) }, orphan(sandbox.ReasonDeadline)},
		{"deadline this moment", func(s *scene) { s.claim.Deadline = noon }, live()},
		{"deadline passed, owner on another machine", func(s *scene) {
			s.claim.Deadline, s.claim.Owner.Machine = noon.Add(-time.Hour), "other"
		}, orphan(sandbox.ReasonDeadline)},

		// 2: the owner's container.
		{"owner's container gone", func(s *scene) { s.seen.OwnerContainer = sandbox.ContainerGone }, orphan(sandbox.ReasonOwnerContainerGone)},
		{"a container gone that is not the owner's", func(s *scene) {
			s.claim.Owner.Container, s.seen.OwnerContainer = "", sandbox.ContainerGone
		}, live()},
		{"owner's container not known, process there", func(s *scene) { s.seen.OwnerContainer = sandbox.ContainerUnknown }, live()},
		{"owner's container runs, process gone", func(s *scene) { s.seen.Process = gone }, orphan(sandbox.ReasonOwnerGone)},
		{"nothing but a container that is gone", func(s *scene) {
			s.claim.Owner, s.seen.OwnerContainer = sandbox.Owner{Container: "c0ffeec0ffee"}, sandbox.ContainerGone
		}, orphan(sandbox.ReasonOwnerContainerGone)},
		{"nothing but a container that runs", func(s *scene) { s.claim.Owner = sandbox.Owner{Container: "c0ffeec0ffee"} },
			unproven(sandbox.ReasonLabelsMissing)},

		// 3: the host's boot.
		{"host rebooted since", func(s *scene) { s.claim.Owner.Boot, s.state.Created = "b0", host.Booted.Add(-time.Hour) },
			orphan(sandbox.ReasonHostRebooted)},
		{"host rebooted since, and the PID is in use with the same start", func(s *scene) {
			s.claim.Owner.Boot, s.state.Created = "b0", host.Booted.Add(-time.Hour)
		}, orphan(sandbox.ReasonHostRebooted)},
		{"another machine with a copy of the machine id", func(s *scene) { s.claim.Owner.Boot = "b0" },
			unproven(sandbox.ReasonOtherMachine)},
		{"other boot, time of the boot not known", func(s *scene) {
			s.claim.Owner.Boot, s.seen.Host.Booted = "b0", time.Time{}
		}, unproven(sandbox.ReasonOwnerUnreadable)},
		{"other boot, created before there was a clock", func(s *scene) {
			s.claim.Owner.Boot, s.state.Created = "b0", time.Unix(60, 0)
		}, unproven(sandbox.ReasonOwnerUnreadable)},
		{"other boot, creation not known", func(s *scene) { s.claim.Owner.Boot, s.state.Created = "b0", time.Time{} },
			unproven(sandbox.ReasonOwnerUnreadable)},
		{"machine named after its boot, which was an earlier one", func(s *scene) {
			s.claim.Owner.Machine, s.claim.Owner.Boot = "boot-b0", "b0"
		}, unproven(sandbox.ReasonOtherMachine)},
		{"machine named after its boot", func(s *scene) { s.claim.Owner.Machine = "boot-b1" }, live()},

		// 4 and 5: the owner's process.
		{"PID gone", func(s *scene) { s.seen.Process = gone }, orphan(sandbox.ReasonOwnerGone)},
		{"PID reused", func(s *scene) { s.seen.Process.Start = 100 }, orphan(sandbox.ReasonOwnerGone)},
		{"PID reused by a process that is older, which can't be", func(s *scene) { s.seen.Process.Start = 98 }, orphan(sandbox.ReasonOwnerGone)},
		{"PID gone, start never labelled", func(s *scene) { s.claim.Owner.Start, s.seen.Process = 0, gone }, orphan(sandbox.ReasonOwnerGone)},
		{"PID in use, start never labelled", func(s *scene) { s.claim.Owner.Start = 0 }, unproven(sandbox.ReasonLabelsMissing)},
		{"PID in use, start not readable", func(s *scene) { s.seen.Process.Start = 0 }, unproven(sandbox.ReasonOwnerUnreadable)},
		{"permission denied", func(s *scene) { s.seen.Process = sandbox.Process{} }, unproven(sandbox.ReasonOwnerUnreadable)},
		{"PID 1, which always runs, with its start", func(s *scene) {
			s.claim.Owner.PID, s.claim.Owner.Start, s.seen.Process.Start = 1, 1, 1
		}, live()},
		{"PID 1 with another start", func(s *scene) { s.claim.Owner.PID, s.seen.Process.Start = 1, 1 }, orphan(sandbox.ReasonOwnerGone)},
		{"exited for long, owner alive", func(s *scene) {
			s.state.Status, s.state.Finished = sandbox.StateExited, noon.Add(-11*time.Minute)
		}, orphan(sandbox.ReasonExited)},
		{"exited lately", func(s *scene) { s.state.Status, s.state.Finished = sandbox.StateExited, noon.Add(-9*time.Minute) }, live()},
		{"exited, but when is not known", func(s *scene) { s.state.Status = sandbox.StateExited }, live()},
		{"exited in the future", func(s *scene) { s.state.Status, s.state.Finished = sandbox.StateExited, noon.Add(time.Hour) }, live()},
		{"exited before there was a clock", func(s *scene) { s.state.Status, s.state.Finished = sandbox.StateExited, time.Unix(5, 0) }, live()},
		{"exited for long, and nobody minds", func(s *scene) {
			s.state.Status, s.state.Finished, s.policy.ExitedAfter = sandbox.StateExited, noon.Add(-time.Hour), 0
		}, live()},
		{"created, never started", func(s *scene) { s.state.Status = sandbox.StateCreated }, orphan(sandbox.ReasonExited)},
		{"created a moment ago", func(s *scene) { s.state.Status, s.state.Created = sandbox.StateCreated, noon.Add(-time.Second) }, live()},
		{"created, never started, owner gone", func(s *scene) { s.state.Status, s.seen.Process = sandbox.StateCreated, gone },
			orphan(sandbox.ReasonOwnerGone)},
		{"dead, never run", func(s *scene) { s.state.Status = sandbox.StateDead }, orphan(sandbox.ReasonExited)},
		{"dead for long", func(s *scene) { s.state.Status, s.state.Finished = sandbox.StateDead, noon.Add(-time.Hour) }, orphan(sandbox.ReasonExited)},
		{"dead lately", func(s *scene) { s.state.Status, s.state.Finished = sandbox.StateDead, noon.Add(-time.Second) }, live()},
		{"paused for ever", func(s *scene) { s.state.Status, s.state.Created = sandbox.StatePaused, noon.Add(-1000*time.Hour) }, live()},
		{"restarting", func(s *scene) { s.state.Status, s.state.Finished = sandbox.StateRestarting, noon.Add(-time.Hour) }, live()},
		{"removing", func(s *scene) { s.state.Status, s.state.Finished = sandbox.StateRemoving, noon.Add(-time.Hour) }, live()},
		{"a state that Docker has yet to invent", func(s *scene) { s.state.Status = "hibernating" }, live()},
		{"old, but its owner lives", func(s *scene) { s.state.Created = noon.Add(-1000 * time.Hour) }, live()},
		{"run ended, but its owner lives", func(s *scene) { s.seen.Run = sandbox.RunEnded }, live()},
		{"run silent, but its owner lives", func(s *scene) { s.seen.Run = sandbox.RunSilent }, live()},

		// 6 to 8: where nothing is known of the owner.
		{"other machine, run silent", func(s *scene) { s.claim.Owner.Machine, s.seen.Run = "other", sandbox.RunSilent }, orphan(sandbox.ReasonRunSilent)},
		{"no owner, run ended", func(s *scene) { s.claim.Owner, s.seen.Run = sandbox.Owner{}, sandbox.RunEnded }, orphan(sandbox.ReasonRunEnded)},
		{"no owner, run heard", func(s *scene) { s.claim.Owner = sandbox.Owner{} }, unproven(sandbox.ReasonLabelsMissing)},
		{"no owner, run not known", func(s *scene) { s.claim.Owner, s.seen.Run = sandbox.Owner{}, sandbox.RunUnknown }, unproven(sandbox.ReasonLabelsMissing)},
		{"no owner, too old", func(s *scene) { s.claim.Owner, s.state.Created = sandbox.Owner{}, noon.Add(-25*time.Hour) }, orphan(sandbox.ReasonMaxAge)},
		{"no owner, age not known", func(s *scene) { s.claim.Owner, s.state.Created = sandbox.Owner{}, time.Time{} }, unproven(sandbox.ReasonLabelsMissing)},
		{"no owner, created in the future", func(s *scene) { s.claim.Owner, s.state.Created = sandbox.Owner{}, noon.Add(100*time.Hour) }, unproven(sandbox.ReasonLabelsMissing)},
		{"no owner, created before there was a clock", func(s *scene) { s.claim.Owner, s.state.Created = sandbox.Owner{}, time.Unix(0, 0) }, unproven(sandbox.ReasonLabelsMissing)},
		{"no owner, old, and nobody minds", func(s *scene) {
			s.claim.Owner, s.state.Created, s.policy.MaxAge = sandbox.Owner{}, noon.Add(-1000*time.Hour), 0
		}, unproven(sandbox.ReasonLabelsMissing)},

		// 9: evidence that is missing.
		{"no selector", func(s *scene) { s.claim.Sandbox, s.claim.Deadline = false, time.Unix(0, 0) }, unproven(sandbox.ReasonLabelsMissing)},
		{"other machine, PID gone here", func(s *scene) { s.claim.Owner.Machine, s.seen.Process = "other", gone }, unproven(sandbox.ReasonOtherMachine)},
		{"machine not labelled", func(s *scene) { s.claim.Owner.Machine, s.seen.Process = "", gone }, unproven(sandbox.ReasonLabelsMissing)},
		{"boot not labelled", func(s *scene) { s.claim.Owner.Boot, s.seen.Process = "", gone }, unproven(sandbox.ReasonLabelsMissing)},
		{"PID namespace not labelled", func(s *scene) { s.claim.Owner.PIDNS, s.seen.Process = "", gone }, unproven(sandbox.ReasonLabelsMissing)},
		{"PID not labelled", func(s *scene) { s.claim.Owner.PID, s.seen.Process = 0, gone }, unproven(sandbox.ReasonLabelsMissing)},
		{"other PID namespace, PID gone here", func(s *scene) { s.claim.Owner.PIDNS, s.seen.Process = "pid:[4026532000]", gone }, unproven(sandbox.ReasonOtherPIDNS)},
		{"our machine not known", func(s *scene) { s.seen.Host.Machines, s.seen.Process = nil, gone }, unproven(sandbox.ReasonOwnerUnreadable)},
		{"our boot not known", func(s *scene) { s.seen.Host.Boot, s.seen.Process = "", gone }, unproven(sandbox.ReasonOwnerUnreadable)},
		{"our PID namespace not known", func(s *scene) { s.seen.Host.PIDNS, s.seen.Process = "", gone }, unproven(sandbox.ReasonOwnerUnreadable)},
		{"no /proc at all", func(s *scene) { s.seen.Host, s.seen.Process = sandbox.Host{}, sandbox.Process{} }, unproven(sandbox.ReasonOwnerUnreadable)},
		{"PID malformed", func(s *scene) {
			s.claim.Owner.PID, s.claim.Malformed, s.seen.Process = 0, []string{sandbox.LabelOwnerPID}, gone
		}, unproven(sandbox.ReasonLabelsMalformed)},
		{"start malformed, PID in use", func(s *scene) {
			s.claim.Owner.Start, s.claim.Malformed = 0, []string{sandbox.LabelOwnerStart}
		}, unproven(sandbox.ReasonLabelsMalformed)},
		{"deadline malformed, owner alive", func(s *scene) {
			s.claim.Deadline, s.claim.Malformed = time.Time{}, []string{sandbox.LabelDeadline}
		}, live()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := peace()
			test.change(&s)
			assert.Equal(t, test.want, s.verdict())
		})
	}
}

func TestAllReasonsAreExplained(t *testing.T) {
	assert.NotEmpty(t, live().Explain())
	seen := map[string]bool{}
	for _, r := range append(sandbox.OrphanReasons(), sandbox.UnverifiableReasons()...) {
		words := sandbox.Verdict{Reason: r}.Explain()
		assert.Regexp(t, `^(its|the|nothing) [a-z' ]+`, words, r)
		assert.False(t, seen[words], "%q explains two reasons", words)
		seen[words] = true
	}
}

func TestLabelsThatCameWithTheImageProveNothing(t *testing.T) {
	committed := peace().claim // the image was made of another sandbox
	none := sandbox.Claim{}
	tests := []struct {
		name      string
		container sandbox.Claim
		image     sandbox.Claim
		reason    sandbox.Reason
		want      bool
	}{
		{"an image without labels", committed, none, sandbox.ReasonOwnerGone, false},
		{"a person runs a committed sandbox", committed, committed, sandbox.ReasonOwnerGone, true},
		{"its deadline", committed, committed, sandbox.ReasonDeadline, true},
		{"its run", committed, committed, sandbox.ReasonRunEnded, true},
		{"its age", committed, committed, sandbox.ReasonMaxAge, true},
		{"another loop labels it anew", sandbox.Claim{Sandbox: true, Run: "s", Owner: sandbox.Owner{PID: 7}}, committed, sandbox.ReasonOwnerGone, false},
		{"with a deadline of its own", sandbox.Claim{Sandbox: true, Deadline: noon}, committed, sandbox.ReasonDeadline, false},
		{"with a run of its own", sandbox.Claim{Sandbox: true, Run: "s"}, committed, sandbox.ReasonRunSilent, false},
		{"an image that only says what it is for", sandbox.Claim{Sandbox: true}, sandbox.Claim{Sandbox: true}, sandbox.ReasonMaxAge, false},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, sandbox.Inherited(test.container, test.image, test.reason), test.name)
	}
}
