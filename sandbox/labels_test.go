package sandbox_test

import (
	"maps"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
)

func TestOwnLabelsProveThatTheOwnerLives(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: owners are only known by Linux's /proc")
	}
	deadline := time.Now().Add(time.Hour)
	labels := sandbox.Labels("my run", sandbox.WithDeadline(deadline))
	claim := sandbox.ParseClaim(labels)
	assert.Empty(t, claim.Malformed)
	assert.Equal(t, "my run", claim.Run)
	assert.Equal(t, os.Getpid(), claim.Owner.PID)
	assert.WithinDuration(t, deadline, claim.Deadline, time.Second)

	proc := sandbox.DefaultProc
	seen := sandbox.Observations{Now: time.Now(), Host: proc.Host(), Process: proc.Process(os.Getpid())}
	assert.Equal(t, live(), sandbox.Judge(claim, sandbox.State{Status: sandbox.StateRunning}, seen, sandbox.Policy{}))

	seen.Process = proc.Process(1 << 22) // the largest PID plus one
	assert.Equal(t, orphan(sandbox.ReasonOwnerGone), sandbox.Judge(claim, sandbox.State{Status: sandbox.StateRunning}, seen, sandbox.Policy{}))
}

func TestLabelsLeaveOutWhatCanNotBeRead(t *testing.T) {
	labels := sandbox.Labels("r", sandbox.WithProc(sandbox.Proc(t.TempDir())))
	assert.Equal(t, map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r"}, labels)

	labels = sandbox.Labels("r", sandbox.WithOwner(1<<22))
	assert.NotContains(t, labels, sandbox.LabelOwnerPID, "a process that is not there")
}

func TestLabelsNameTheNamespaceThatNumbersTheOwner(t *testing.T) {
	// Seen from the host, a process in a container has the host's number, which
	// means nothing in its own namespace.
	proc := newTree(t)
	proc.kernel()
	proc.process(300, stat("loop", 'S', 1, 5000), "NSpid:\t300\t1", "pid:[4026532009]")
	labels := sandbox.Labels("r", sandbox.WithProc(proc.Proc), sandbox.WithOwner(300))
	assert.Equal(t, map[string]string{
		sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r",
		sandbox.LabelOwnerPID: "300", sandbox.LabelOwnerStart: "5000", sandbox.LabelOwnerPIDNS: "pid:[4026531836]",
		sandbox.LabelOwnerBoot: "b1", sandbox.LabelOwnerMachine: machine,
	}, labels)
}

func TestLabelsOfACallerWhoseProcIsOfAnotherNamespace(t *testing.T) {
	// As after unshare(1) with --pid and without --mount-proc.
	proc := newTree(t)
	proc.kernel()
	proc.process(7, stat("somebody", 'S', 1, 1234), "NSpid:\t7", "pid:[4026531836]")
	proc.process(300, stat("loop", 'S', 1, 5000), "NSpid:\t300\t7", "pid:[4026532009]")
	proc.link("self", "300")
	labels := sandbox.Labels("r", sandbox.WithProc(proc.Proc))
	assert.Equal(t, "300", labels[sandbox.LabelOwnerPID])
	assert.Equal(t, "5000", labels[sandbox.LabelOwnerStart])
	assert.Equal(t, "pid:[4026531836]", labels[sandbox.LabelOwnerPIDNS])
}

func TestParseClaimIgnoresWhatItDoesNotUnderstand(t *testing.T) {
	good := map[string]string{
		sandbox.LabelSandbox: "1", sandbox.LabelRunID: "run 1 – größer", sandbox.LabelOwnerMachine: machine,
		sandbox.LabelOwnerBoot: "b1", sandbox.LabelOwnerPID: "4711", sandbox.LabelOwnerStart: "99",
		sandbox.LabelOwnerPIDNS: "pid:[4026531836]", sandbox.LabelOwnerContainer: "c0ffeec0ffee",
		sandbox.LabelDeadline: "1970-01-01T00:00:00Z",
	}
	want := sandbox.Claim{Sandbox: true, Run: "run 1 – größer", Owner: owner, Deadline: time.Unix(0, 0).UTC()}
	require.Equal(t, want, sandbox.ParseClaim(good))

	tests := []struct {
		label, value string
		lose         func(*sandbox.Claim)
	}{
		{sandbox.LabelRunID, "a\x00b", func(c *sandbox.Claim) { c.Run = "" }},
		{sandbox.LabelRunID, "", func(c *sandbox.Claim) { c.Run = "" }},
		{sandbox.LabelRunID, "\xff\xfe", func(c *sandbox.Claim) { c.Run = "" }},
		{sandbox.LabelRunID, strings.Repeat("x", 257), func(c *sandbox.Claim) { c.Run = "" }},
		{sandbox.LabelOwnerMachine, "with space", func(c *sandbox.Claim) { c.Owner.Machine = "" }},
		{sandbox.LabelOwnerBoot, "b\n1", func(c *sandbox.Claim) { c.Owner.Boot = "" }},
		{sandbox.LabelOwnerPID, "0", func(c *sandbox.Claim) { c.Owner.PID = 0 }},
		{sandbox.LabelOwnerPID, "-1", func(c *sandbox.Claim) { c.Owner.PID = 0 }},
		{sandbox.LabelOwnerPID, "+1", func(c *sandbox.Claim) { c.Owner.PID = 0 }},
		{sandbox.LabelOwnerPID, "4194305", func(c *sandbox.Claim) { c.Owner.PID = 0 }},
		{sandbox.LabelOwnerPID, "99999999999999999999", func(c *sandbox.Claim) { c.Owner.PID = 0 }},
		{sandbox.LabelOwnerPID, "../1", func(c *sandbox.Claim) { c.Owner.PID = 0 }},
		{sandbox.LabelOwnerPID, "self", func(c *sandbox.Claim) { c.Owner.PID = 0 }},
		{sandbox.LabelOwnerStart, "0", func(c *sandbox.Claim) { c.Owner.Start = 0 }},
		{sandbox.LabelOwnerStart, "yesterday", func(c *sandbox.Claim) { c.Owner.Start = 0 }},
		{sandbox.LabelOwnerStart, "99999999999999999999", func(c *sandbox.Claim) { c.Owner.Start = 0 }},
		{sandbox.LabelOwnerPIDNS, "4026531836", func(c *sandbox.Claim) { c.Owner.PIDNS = "" }},
		{sandbox.LabelOwnerPIDNS, "net:[4026531836]", func(c *sandbox.Claim) { c.Owner.PIDNS = "" }},
		{sandbox.LabelOwnerContainer, "my-loop", func(c *sandbox.Claim) { c.Owner.Container = "" }},
		{sandbox.LabelOwnerContainer, "c0ffee", func(c *sandbox.Claim) { c.Owner.Container = "" }},
		{sandbox.LabelOwnerContainer, "C0FFEEC0FFEE", func(c *sandbox.Claim) { c.Owner.Container = "" }},
		{sandbox.LabelDeadline, "tomorrow", func(c *sandbox.Claim) { c.Deadline = time.Time{} }},
		{sandbox.LabelDeadline, "1700000000", func(c *sandbox.Claim) { c.Deadline = time.Time{} }},
		{sandbox.LabelDeadline, "0001-01-01T00:00:00Z", func(c *sandbox.Claim) { c.Deadline = time.Time{} }},
	}
	for _, test := range tests {
		labels := maps.Clone(good)
		labels[test.label] = test.value
		want := want
		test.lose(&want)
		got := sandbox.ParseClaim(labels)
		malformed := got.Malformed
		got.Malformed = nil
		assert.Equal(t, want, got, "%s=%q", test.label, test.value)
		assert.Equal(t, []string{test.label}, malformed, "%q", test.value)
	}
	good["dev.evotel.owner.colour"] = "red"
	assert.Equal(t, want, sandbox.ParseClaim(good), "a label that is not ours to read")
}

func TestOnlyTheSelectorMakesASandbox(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "0": false, "": false, "true": false, " 1": false, "11": false} {
		assert.Equal(t, want, sandbox.ParseClaim(map[string]string{sandbox.LabelSandbox: value}).Sandbox, "%q", value)
	}
	assert.False(t, sandbox.ParseClaim(nil).Sandbox)
	assert.False(t, sandbox.ParseClaim(map[string]string{sandbox.LabelRunID: "r"}).Sandbox)
}

// FuzzParseClaim shows that no labels bring about more than a claim within
// bounds, and that a value is either taken or named as malformed.
func FuzzParseClaim(f *testing.F) {
	f.Add("r", machine, "b1", "4711", "99", "pid:[4026531836]", "c0ffeec0ffee", "1970-01-01T00:00:00Z")
	f.Add("", "", "", "", "", "", "", "")
	f.Add("\x00", " ", "\n", "-1", "18446744073709551616", "pid:[]", "..", "0000-00-00T00:00:00Z")
	f.Fuzz(func(t *testing.T, run, machine, boot, pid, start, pidns, container, deadline string) {
		labels := map[string]string{
			sandbox.LabelSandbox: "1", sandbox.LabelRunID: run, sandbox.LabelOwnerMachine: machine, sandbox.LabelOwnerBoot: boot,
			sandbox.LabelOwnerPID: pid, sandbox.LabelOwnerStart: start, sandbox.LabelOwnerPIDNS: pidns,
			sandbox.LabelOwnerContainer: container, sandbox.LabelDeadline: deadline,
		}
		c := sandbox.ParseClaim(labels)
		assert.True(t, c.Sandbox)
		malformed := map[string]bool{}
		for _, m := range c.Malformed {
			malformed[m] = true
		}
		for label, taken := range map[string]bool{
			sandbox.LabelRunID: c.Run == run && run != "", sandbox.LabelOwnerMachine: c.Owner.Machine == machine && machine != "",
			sandbox.LabelOwnerBoot: c.Owner.Boot == boot && boot != "", sandbox.LabelOwnerPID: c.Owner.PID != 0,
			sandbox.LabelOwnerStart: c.Owner.Start != 0, sandbox.LabelOwnerPIDNS: c.Owner.PIDNS != "",
			sandbox.LabelOwnerContainer: c.Owner.Container != "", sandbox.LabelDeadline: !c.Deadline.IsZero(),
		} {
			assert.NotEqual(t, taken, malformed[label], "%s=%q", label, labels[label])
		}
		assert.LessOrEqual(t, c.Owner.PID, 1<<22)
		assert.GreaterOrEqual(t, c.Owner.PID, 0)
		// Whatever they say, they alone prove nothing but a deadline.
		v := sandbox.Judge(c, sandbox.State{Status: sandbox.StateRunning, Created: noon}, sandbox.Observations{Now: noon}, sandbox.Policy{})
		if v.Kind == sandbox.Orphan {
			assert.Equal(t, sandbox.ReasonDeadline, v.Reason)
		} else {
			assert.Equal(t, sandbox.Unverifiable, v.Kind)
		}
	})
}
