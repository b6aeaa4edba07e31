//go:build !windows

package dockerorphanreceiver

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/pmetrictest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
	"github.com/evotel/evotel/semconv"
)

var (
	began  = time.Now().Add(-time.Hour)
	ownRun = sandbox.Claim{Sandbox: true, Run: "r"}
)

func testLedger(change ...func(c *Config)) *ledger {
	c := createDefaultConfig().(*Config)
	for _, f := range change {
		f(c)
	}
	return newLedger(began, c)
}

func found(id, run, status string, v sandbox.Verdict) finding {
	return finding{
		Container: docker.Container{
			ID: id, Name: "name-" + id, Image: "image", Claim: sandbox.Claim{Sandbox: true, Run: run},
			State: sandbox.State{Status: status, Created: began.Add(time.Minute)},
		},
		verdict: v,
	}
}

func using(f finding, u cgroup.Usage) finding {
	f.usage, f.used = u, true
	return f
}

var live = sandbox.Verdict{Kind: sandbox.Live}

func event(action, id string, at time.Time) docker.Event {
	return docker.Event{Action: action, ID: id, Run: "r", Time: at}
}

func died(id string, at time.Time, code int) docker.Event {
	e := event(docker.EventDie, id, at)
	e.ExitCode = code
	return e
}

// exits returns what is counted of run r once all has settled.
func exits(l *ledger) map[string]int64 {
	l.settle(time.Now().Add(settling))
	return l.runs["r"].exits
}

func TestMetricsOfALedger(t *testing.T) {
	l := testLedger(func(c *Config) { c.PerContainer = true })
	now := time.Now()
	l.event(event(docker.EventStart, "short", now.Add(-2*time.Second)))
	l.event(died("short", now.Add(-time.Second), 0))
	l.event(event(docker.EventDestroy, "short", now))
	l.event(event(docker.EventOOM, "big", now.Add(-time.Second)))
	l.event(died("big", now.Add(-time.Second), 137))
	l.reaped("r", sandbox.ReasonOwnerGone, semconv.ReapRemoved)
	l.reaped("r", sandbox.ReasonOwnerGone, semconv.ReapFailed)
	gone := sandbox.Verdict{Kind: sandbox.Orphan, Reason: sandbox.ReasonOwnerGone}
	l.scan(now.Add(time.Second), []finding{
		using(found("a", "r", sandbox.StateRunning, live), cgroup.Usage{CPU: time.Second, Memory: 100, NetworkReceived: 1, NetworkSent: 2, DiskRead: 3, DiskWritten: 4}),
		using(found("b", "r", sandbox.StatePaused, live), cgroup.Usage{CPU: 3 * time.Second, Memory: 250}),
		found("c", "r", sandbox.StateExited, gone),
		found("d", "", sandbox.StateRunning, sandbox.Verdict{Kind: sandbox.Unverifiable, Reason: sandbox.ReasonLabelsMissing}),
	})
	got := l.metrics(now.Add(time.Minute), true)
	file := filepath.Join("testdata", "metrics.yaml")
	// To make it anew: golden.WriteMetrics(t, file, got)
	want, err := golden.ReadMetrics(file)
	require.NoError(t, err)
	require.NoError(t, pmetrictest.CompareMetrics(want, got,
		pmetrictest.IgnoreStartTimestamp(), pmetrictest.IgnoreTimestamp(), pmetrictest.IgnoreMetricsOrder(), pmetrictest.IgnoreMetricDataPointsOrder(),
		pmetrictest.IgnoreDatapointAttributesOrder()))

	// Those of single containers are an option.
	l.perContainer = false
	for _, m := range l.metrics(now, true).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		assert.Regexp(t, "^evolution[.]sandbox[.]", m.Name())
	}
}

func TestAllSeriesAreThereFromTheStart(t *testing.T) {
	md := testLedger().metrics(time.Now(), false)
	seen := map[string]bool{}
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		seen[m.Name()] = true
	}
	for _, m := range semconv.All() {
		if m.Source == semconv.SourceSandbox {
			assert.True(t, seen[m.Name], m.Name)
		}
	}
}

func TestExitKind(t *testing.T) {
	tests := []struct {
		code int
		oom  bool
		want string
	}{
		{0, false, semconv.ExitOK},
		{0, true, semconv.ExitOK}, // a child was killed, and it went on
		{1, false, semconv.ExitError},
		{1, true, semconv.ExitOOMKilled},
		{137, true, semconv.ExitOOMKilled},
		{137, false, semconv.ExitKilled},
		{143, false, semconv.ExitKilled},
		{130, false, semconv.ExitKilled},
		{129, false, semconv.ExitKilled},
		{139, false, semconv.ExitError}, // a crash is its own doing
		{134, false, semconv.ExitError},
		{-1, false, semconv.ExitError},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, exitKind(test.code, test.oom), "%d, OOM %t", test.code, test.oom)
	}
}

func TestAnOOMKillIsHeardOfBeforeOrAfterTheExit(t *testing.T) {
	l := testLedger()
	now := time.Now()
	l.event(event(docker.EventOOM, "before", now))
	l.event(died("before", now, 137))
	l.event(died("after", now, 137))
	l.event(event(docker.EventDestroy, "after", now))
	l.settle(now)
	assert.Equal(t, map[string]int64{semconv.ExitOOMKilled: 1}, l.account("r", now).exits, "nothing is counted that may yet change")
	l.event(event(docker.EventOOM, "after", now))
	l.event(died("killed", now, 137))
	// It was killed so soon that the Engine tells of it before the start.
	l.event(event(docker.EventOOM, "at once", now))
	l.event(event(docker.EventStart, "at once", now))
	l.event(died("at once", now, 137))
	assert.Equal(t, map[string]int64{semconv.ExitOOMKilled: 3, semconv.ExitKilled: 1}, exits(l))
	// The next life is another matter.
	l.event(event(docker.EventStart, "at once", now))
	l.event(died("at once", now, 137))
	assert.Equal(t, map[string]int64{semconv.ExitOOMKilled: 3, semconv.ExitKilled: 2}, exits(l))
}

func TestAnExitIsCountedOnceWhoeverSeesItFirst(t *testing.T) {
	stop := began.Add(30 * time.Minute)
	exited := docker.Container{ID: "a", Claim: ownRun, ExitCode: 1, Started: stop.Add(-time.Minute),
		State: sandbox.State{Status: sandbox.StateExited, Created: began.Add(time.Minute), Finished: stop}}
	t.Run("the event", func(t *testing.T) {
		l := testLedger()
		l.event(died("a", stop, 1))
		l.stopped(exited)
		assert.Equal(t, map[string]int64{semconv.ExitError: 1}, exits(l))
	})
	t.Run("the scan", func(t *testing.T) {
		l := testLedger()
		l.stopped(exited)
		l.event(died("a", stop, 1))
		l.stopped(exited)
		assert.Equal(t, map[string]int64{semconv.ExitError: 1}, exits(l))
		assert.Equal(t, uint64(1), l.runs["r"].lifetime.count)
		assert.Equal(t, 60.0, l.runs["r"].lifetime.sum)
	})
	t.Run("before our time", func(t *testing.T) {
		l := testLedger()
		early := exited
		early.State.Finished = began.Add(-time.Minute)
		l.stopped(early)
		assert.Empty(t, l.runs["r"], "nobody counts what was before")
	})
	t.Run("once for each life", func(t *testing.T) {
		l := testLedger()
		for i := range 3 {
			l.event(event(docker.EventStart, "a", stop.Add(time.Duration(i)*time.Minute)))
			l.event(died("a", stop.Add(time.Duration(i)*time.Minute+5*time.Second), 1))
		}
		assert.Equal(t, map[string]int64{semconv.ExitError: 3}, exits(l))
		assert.Equal(t, 15.0, l.runs["r"].lifetime.sum)
	})
}

func TestUsageAddsUp(t *testing.T) {
	l := testLedger()
	old := found("old", "r", sandbox.StateRunning, live)
	old.State.Created = began.Add(-time.Hour)
	at := began
	scan := func(fs ...finding) account {
		at = at.Add(5 * time.Second)
		l.scan(at, fs)
		return *l.runs["r"]
	}
	young := found("young", "r", sandbox.StateRunning, live)
	a := scan(using(old, cgroup.Usage{CPU: time.Hour, Memory: 100}), using(young, cgroup.Usage{CPU: time.Second, Memory: 50, DiskRead: 7}))
	assert.Equal(t, cgroup.Usage{CPU: time.Second, Memory: 150, DiskRead: 7}, a.used, "what was used before our time does not count")
	assert.Equal(t, uint64(100), a.memoryMax)
	a = scan(using(old, cgroup.Usage{CPU: time.Hour + 2*time.Second, Memory: 100}), using(young, cgroup.Usage{CPU: 2 * time.Second, Memory: 60, DiskRead: 9}))
	assert.Equal(t, cgroup.Usage{CPU: 4 * time.Second, Memory: 160, DiskRead: 9}, a.used)
	a = scan(using(young, cgroup.Usage{CPU: time.Millisecond, Memory: 10, DiskRead: 1}))
	assert.Equal(t, cgroup.Usage{CPU: 4*time.Second + time.Millisecond, Memory: 10, DiskRead: 10}, a.used, "it was restarted, and counts from 0")
	a = scan(young)
	assert.Equal(t, cgroup.Usage{CPU: 4*time.Second + time.Millisecond, Memory: 10, DiskRead: 10}, a.used, "there was no time to ask")
	a = scan(found("young", "r", sandbox.StateExited, live))
	assert.Zero(t, a.used.Memory, "it has stopped")
	assert.Zero(t, a.memoryMax)
}

func TestNothingIsOlderThanWeHaveSeen(t *testing.T) {
	// The Engine's clock was a year behind.
	l := testLedger()
	first, second := began.Add(time.Minute), began.Add(2*time.Minute)
	wrong := began.AddDate(-1, 0, 0)
	container := func(status string, finished time.Time) docker.Container {
		return docker.Container{ID: "a", Claim: ownRun, State: sandbox.State{Status: status, Created: wrong, Finished: finished}}
	}
	s, _ := l.state(docker.Container{ID: "there-before", Claim: ownRun, State: sandbox.State{Status: sandbox.StateRunning, Created: wrong}})
	assert.Equal(t, wrong, s.Created, "we were not there")
	l.scan(first, nil)
	s, known := l.state(container(sandbox.StateRunning, time.Time{}))
	assert.True(t, known)
	assert.Equal(t, first, s.Created, "the last list did not have it")

	f := found("a", "r", sandbox.StateRunning, live)
	l.scan(second, []finding{f})
	_, known = l.state(container(sandbox.StateExited, time.Time{}))
	assert.False(t, known, "how it exited is not known yet")
	l.stopped(container(sandbox.StateExited, wrong.Add(time.Second)))
	s, known = l.state(container(sandbox.StateExited, time.Time{}))
	assert.True(t, known)
	assert.Equal(t, second, s.Finished, "it ran then")
}

func TestALedgerForgets(t *testing.T) {
	l := testLedger(func(c *Config) { c.RunRetention, c.MaxRuns = 10*time.Minute, 2 })
	now := time.Now()
	t.Run("containers whose end nobody told of", func(t *testing.T) {
		l.event(event(docker.EventStart, "lost", now))
		require.Len(t, l.boxes, 1)
		l.scan(now.Add(-time.Minute), nil)
		require.Len(t, l.boxes, 1, "the event is younger than the list")
		l.scan(now.Add(time.Minute), nil)
		require.Empty(t, l.boxes)
	})
	t.Run("runs without sandboxes, in time", func(t *testing.T) {
		l.scan(now, []finding{found("a", "r", sandbox.StateRunning, live)})
		l.scan(now.Add(9*time.Minute), nil)
		require.Contains(t, l.runs, "r")
		l.scan(now.Add(11*time.Minute), nil)
		require.NotContains(t, l.runs, "r")
		require.Contains(t, l.runs, "", "that of no known run stays")
	})
	t.Run("all runs, when the Engine has been away for as long", func(t *testing.T) {
		l.scan(now, []finding{found("a", "r", sandbox.StateRunning, live), found("b", "", sandbox.StateRunning, live)})
		l.metrics(now.Add(9*time.Minute), false)
		require.Contains(t, l.runs, "r")
		require.Equal(t, int64(1), l.runs[""].containers[stateVerdict{sandbox.StateRunning, sandbox.Live}])
		l.metrics(now.Add(11*time.Minute), false)
		require.NotContains(t, l.runs, "r")
		require.Zero(t, l.runs[""].containers[stateVerdict{sandbox.StateRunning, sandbox.Live}])
	})
	t.Run("to tell runs apart when there are too many", func(t *testing.T) {
		var many []finding
		for i := range 10 {
			many = append(many, found(fmt.Sprint(i), fmt.Sprint("run-", i), sandbox.StateRunning, live))
		}
		require.False(t, l.isCrowded())
		l.scan(now, many)
		require.True(t, l.isCrowded())
		require.Len(t, l.runs, 3)
		require.Equal(t, int64(8), l.runs[""].containers[stateVerdict{sandbox.StateRunning, sandbox.Live}])
	})
}

func TestTheLifetimeHistogram(t *testing.T) {
	h := newHistogram()
	for _, v := range []float64{0, 0.1, 0.11, 3600, 3601} {
		h.add(v)
	}
	assert.Equal(t, uint64(5), h.count)
	assert.Equal(t, uint64(2), h.counts[0], "bounds are inclusive")
	assert.Equal(t, uint64(1), h.counts[1])
	assert.Equal(t, uint64(1), h.counts[len(lifetimeBounds)-1])
	assert.Equal(t, uint64(1), h.counts[len(lifetimeBounds)])
}

func TestTheClockBelievesAStepOnlyOnceItHasStood(t *testing.T) {
	c := newClock()
	start := c.anchor
	at := func(ran, step time.Duration) time.Duration { return c.read(start.Add(ran+step), ran).Sub(start) }
	assert.Equal(t, time.Minute, at(time.Minute, 0))
	assert.Equal(t, time.Minute+time.Millisecond, at(time.Minute, time.Millisecond), "it may drift")
	assert.Equal(t, 2*time.Minute, at(2*time.Minute, 24*time.Hour), "stepped forward by a day")
	assert.Equal(t, 11*time.Minute, at(11*time.Minute, 24*time.Hour))
	assert.Equal(t, 13*time.Minute+24*time.Hour, at(13*time.Minute, 24*time.Hour), "it has stood")
	assert.Equal(t, 14*time.Minute+24*time.Hour, at(14*time.Minute, 24*time.Hour))
	assert.Equal(t, 15*time.Minute, at(15*time.Minute, 0), "stepped back: at once")
	assert.Equal(t, 16*time.Minute+24*time.Hour, at(16*time.Minute, 24*time.Hour), "and forth again")
}
