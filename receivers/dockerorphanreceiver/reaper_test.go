//go:build !windows

package dockerorphanreceiver

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/enginetest"
	"github.com/evotel/evotel/semconv"
)

// bench is a reaper at an Engine whose sandboxes all have a deadline in the
// past, which is all that it takes to be an orphan.
type bench struct {
	*reaper
	engine *enginetest.Engine
	log    *observer.ObservedLogs

	mu     sync.Mutex
	result map[string]int
}

func newBench(t *testing.T, change ...func(c *Config)) *bench {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Cleanup.Mode = ModeRemove
	cfg.Cleanup.Grace = time.Second
	for _, f := range change {
		f(cfg)
	}
	b := &bench{engine: enginetest.Start(t), result: map[string]int{}}
	client, err := docker.Dial(b.engine.Endpoint)
	require.NoError(t, err)
	core, log := observer.New(zapcore.InfoLevel)
	b.log = log
	exam := &docker.Examiner{Client: client, Proc: sandbox.Proc(t.TempDir()), Policy: sandbox.Policy{ExitedAfter: cfg.ExitedAfter}}
	ctx, cancel := context.WithCancel(t.Context())
	b.reaper = newReaper(ctx, cfg, exam, func(_ string, _ sandbox.Reason, result string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.result[result]++
	}, zap.New(core))
	t.Cleanup(func() {
		cancel()
		b.wait()
		assert.NoError(t, client.Close())
	})
	return b
}

var expired = map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r", sandbox.LabelDeadline: "1970-01-01T00:00:00Z"}

// put adds running orphans to the Engine, and returns what a scan finds.
func (b *bench) put(ids ...string) []finding {
	var all []finding
	for _, id := range ids {
		b.engine.Put(enginetest.Container{ID: id, Status: "running", Labels: expired, Created: time.Now()})
		all = append(all, finding{
			Container: docker.Container{ID: id, Claim: sandbox.ParseClaim(expired), State: sandbox.State{Status: "running"}},
			verdict:   sandbox.Verdict{Kind: sandbox.Orphan, Reason: sandbox.ReasonDeadline},
		})
	}
	return all
}

// scan has the reaper consider what was found, after that much time, and waits
// for what comes of it.
func (b *bench) scan(after time.Duration, found []finding) {
	b.consider(time.Now().Add(after), found)
	b.wait()
}

func refuse(status int, message string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		enginetest.Refuse(w, status, message)
		return true
	}
}

func TestAnOrphanIsRemovedAfterGrace(t *testing.T) {
	b := newBench(t)
	orphans := b.put("a", "b")
	b.scan(0, orphans)
	b.scan(900*time.Millisecond, orphans)
	assert.True(t, b.engine.Has("a"), "in one scan only, as far as grace goes")
	b.scan(2*time.Second, orphans)
	assert.False(t, b.engine.Has("a"))
	assert.False(t, b.engine.Has("b"))
	assert.Equal(t, map[string]int{semconv.ReapRemoved: 2}, b.result)
	b.scan(time.Hour, nil)
	assert.Empty(t, b.pending)
}

func TestWithoutGraceItTakesTwoScansStill(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cleanup.Grace = 0 })
	orphans := b.put("a")
	b.scan(0, orphans)
	assert.True(t, b.engine.Has("a"))
	b.scan(0, orphans)
	assert.False(t, b.engine.Has("a"))
}

func TestWhoWasFoundWithAnOwnerInBetweenStartsAnew(t *testing.T) {
	for _, v := range []sandbox.Verdict{live, {Kind: sandbox.Unverifiable, Reason: sandbox.ReasonOwnerUnreadable}} {
		b := newBench(t)
		orphans := b.put("a")
		b.scan(0, orphans)
		owned := b.put("a")
		owned[0].verdict = v
		b.scan(2*time.Second, owned)
		b.scan(4*time.Second, orphans)
		assert.True(t, b.engine.Has("a"))
	}
}

func TestAScanThatLearnsNothingLosesNoPendingWork(t *testing.T) {
	b := newBench(t)
	orphans := b.put("a")
	b.scan(0, orphans)
	unread := b.put("a")
	unread[0].verdict = sandbox.Verdict{Kind: sandbox.Unverifiable, Reason: sandbox.ReasonDockerUnreadable}
	b.scan(2*time.Second, unread)
	assert.True(t, b.engine.Has("a"))
	b.scan(3*time.Second, orphans)
	assert.False(t, b.engine.Has("a"))
}

func TestTheLastLookDecides(t *testing.T) {
	b := newBench(t)
	orphans := b.put("a", "b", "c")
	b.scan(0, orphans)
	// Since the scan looked, the deadline of a is off, b is no sandbox any more,
	// and c has been replaced.
	b.engine.Put(enginetest.Container{ID: "a", Status: "running", Labels: map[string]string{sandbox.LabelSandbox: "1"}})
	b.engine.Put(enginetest.Container{ID: "b", Status: "running"})
	b.engine.Drop("c")
	b.scan(2*time.Second, orphans)
	assert.True(t, b.engine.Has("a"))
	assert.True(t, b.engine.Has("b"))
	assert.Equal(t, map[string]int{semconv.ReapGone: 1}, b.result)
	assert.Zero(t, b.engine.Calls("DELETE /containers/*"))
}

func TestAnotherContainerOfThatNameIsLeftAlone(t *testing.T) {
	b := newBench(t)
	orphans := b.put("a")
	b.scan(0, orphans)
	b.engine.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/containers/a/json" {
			return false
		}
		_, _ = w.Write([]byte(`{"Id": "b", "Name": "/a", "State": {"Status": "running"}, "Config": {"Labels": {"dev.evotel.sandbox": "1", "dev.evotel.deadline": "1970-01-01T00:00:00Z"}}}`))
		return true
	})
	b.scan(2*time.Second, orphans)
	assert.Zero(t, b.engine.Calls("DELETE /containers/*"))
}

func TestWhatRefusesToDieIsReportedAndTriedAgainEverMoreRarely(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.CollectionInterval = 5 * time.Second
		c.Cleanup.MaxBackoff = 30 * time.Second
	})
	orphans := b.put("a")
	b.engine.Fail(refuse(http.StatusInternalServerError, "could not kill: did not receive an exit event"))
	b.scan(0, orphans)
	// Failures come after 5, 10, 20 and then every 30 seconds. The reaper counts
	// from when it failed, which is now.
	for i, wait := range []time.Duration{5, 10, 20, 30, 30} {
		b.scan(time.Hour, orphans)
		require.Equal(t, i+1, b.result[semconv.ReapFailed])
		b.scan(wait*time.Second-100*time.Millisecond, orphans)
		require.Equal(t, i+1, b.result[semconv.ReapFailed], "too early")
	}
	warned := b.log.FilterLevelExact(zapcore.WarnLevel).All()
	require.Len(t, warned, 5)
	assert.Contains(t, warned[0].ContextMap()["error"], "did not receive an exit event")
	assert.Equal(t, "a", warned[0].ContextMap()["container"])
	assert.Equal(t, "deadline", warned[0].ContextMap()["reason"])

	b.engine.Fail(nil)
	b.scan(time.Hour, orphans)
	assert.Equal(t, map[string]int{semconv.ReapFailed: 5, semconv.ReapRemoved: 1}, b.result)
}

func TestBackoffNeverOverflows(t *testing.T) {
	b := newBench(t)
	s := &suspect{}
	b.pending["a"] = s
	for range 200 {
		b.busy++
		b.settle("a", s, semconv.ReapFailed)
		wait := time.Until(s.retry)
		require.Positive(t, wait)
		require.LessOrEqual(t, wait, b.cfg.MaxBackoff)
	}
}

func TestRemovedByAnotherHandIsASuccess(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"gone":        refuse(http.StatusNotFound, "No such container: a"),
		"in progress": refuse(http.StatusConflict, "removal of container a is already in progress"),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			orphans := b.put("a")
			b.engine.Fail(fault)
			b.scan(0, orphans)
			b.scan(2*time.Second, orphans)
			assert.Equal(t, map[string]int{semconv.ReapGone: 1}, b.result)
			assert.Empty(t, b.log.FilterLevelExact(zapcore.WarnLevel).All())

			// The other hand fails, and the container stays.
			b.scan(3*time.Second, orphans)
			b.scan(time.Hour, orphans)
			assert.Equal(t, map[string]int{semconv.ReapGone: 1}, b.result, "that is no news")
			b.engine.Fail(nil)
			b.scan(time.Hour, orphans)
			assert.False(t, b.engine.Has("a"))
			assert.Equal(t, map[string]int{semconv.ReapGone: 1, semconv.ReapRemoved: 1}, b.result)
		})
	}
}

func TestAScanBeginsNoMoreRemovalsThanAllowed(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cleanup.MaxPerScan, c.Cleanup.Concurrency = 3, 2 })
	var ids []string
	for i := range 8 {
		ids = append(ids, fmt.Sprint("c", i))
	}
	orphans := b.put(ids...)
	b.scan(0, orphans[4:])
	b.scan(time.Millisecond, orphans)
	for i, want := range []int{3, 6, 8} {
		b.scan(time.Duration(i+2)*time.Second, orphans)
		assert.Equal(t, want, b.result[semconv.ReapRemoved])
		if i == 0 {
			assert.True(t, b.engine.Has("c0"), "those that have waited longest come first")
		}
	}
}

func TestAHungEngineGathersNoRemovals(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cleanup.MaxPerScan, c.Cleanup.Concurrency, c.Cleanup.Timeout = 3, 2, time.Minute })
	hung, release := make(chan struct{}, 10), make(chan struct{})
	b.engine.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			hung <- struct{}{}
			<-release
		}
		return false
	})
	orphans := b.put("a", "b", "c", "d", "e")
	b.consider(time.Now(), orphans)
	for i := range 10 {
		b.consider(time.Now().Add(time.Duration(i+2)*time.Second), orphans)
	}
	<-hung
	<-hung
	assert.Empty(t, hung, "as many at a time as allowed")
	b.mu.Lock()
	assert.Equal(t, 3, b.busy)
	b.mu.Unlock()
	close(release)
	b.wait()
	assert.Equal(t, 3, b.result[semconv.ReapRemoved])
	b.scan(time.Minute, orphans)
	assert.Equal(t, 5, b.result[semconv.ReapRemoved])
}

func TestARemovalThatTakesTooLongHasFailed(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cleanup.Timeout = 20 * time.Millisecond })
	b.engine.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			<-r.Context().Done()
		}
		return false
	})
	orphans := b.put("a")
	b.scan(0, orphans)
	b.scan(2*time.Second, orphans)
	assert.Equal(t, map[string]int{semconv.ReapFailed: 1}, b.result)
}

func TestALookThatFailsIsNoPermission(t *testing.T) {
	b := newBench(t)
	orphans := b.put("a")
	b.scan(0, orphans)
	b.engine.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			return false
		}
		enginetest.Refuse(w, http.StatusInternalServerError, "lost")
		return true
	})
	b.scan(2*time.Second, orphans)
	assert.True(t, b.engine.Has("a"))
	assert.Equal(t, map[string]int{semconv.ReapFailed: 1}, b.result)
}

func TestDryRunSaysOnceWhatItWouldDo(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cleanup.Mode = ModeDryRun })
	orphans := b.put("a")
	for i := range 5 {
		b.scan(time.Duration(i)*time.Hour, orphans)
	}
	assert.True(t, b.engine.Has("a"))
	assert.Equal(t, map[string]int{semconv.ReapDryRun: 1}, b.result)
	assert.Equal(t, 1, b.log.FilterMessageSnippet("would be removed").Len())
}

func TestOffDoesNothing(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cleanup.Mode = ModeOff })
	orphans := b.put("a")
	for i := range 5 {
		b.scan(time.Duration(i)*time.Hour, orphans)
	}
	assert.True(t, b.engine.Has("a"))
	assert.Zero(t, b.engine.Calls("GET /containers/*/json"))
}

func TestASandboxThatItsOwnerStartsAgainIsLeftAlone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: owners are only known by Linux's /proc")
	}
	b := newBench(t, func(c *Config) { c.ExitedAfter = time.Minute })
	b.exam.Proc = sandbox.DefaultProc
	labels := sandbox.Labels("r") // we are the owner
	stopped := enginetest.Container{ID: "a", Status: "exited", Labels: labels, Created: time.Now().Add(-2 * time.Hour), Finished: time.Now().Add(-time.Hour)}
	idle := []finding{{Container: docker.Container{ID: "a"}, verdict: sandbox.Verdict{Kind: sandbox.Orphan, Reason: sandbox.ReasonExited}}}
	b.engine.Put(stopped)
	b.engine.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			// We start it between the last look and the removal.
			again := stopped
			again.Status = "running"
			b.engine.Put(again)
		}
		return false
	})
	b.scan(0, idle)
	b.scan(2*time.Second, idle)
	assert.Equal(t, 1, b.engine.Calls("DELETE /containers/*"))
	assert.True(t, b.engine.Has("a"))
	assert.Empty(t, b.result)

	b.engine.Fail(nil)
	b.engine.Put(stopped)
	b.scan(0, idle)
	b.scan(2*time.Second, idle)
	assert.False(t, b.engine.Has("a"))
	assert.Equal(t, map[string]int{semconv.ReapRemoved: 1}, b.result)
}

func TestShutdownWaitsForNothing(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Cleanup.Timeout = time.Hour })
	stuck := make(chan struct{})
	b.engine.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			close(stuck)
			<-r.Context().Done()
		}
		return false
	})
	orphans := b.put("a")
	b.scan(0, orphans)
	b.consider(time.Now().Add(2*time.Second), orphans)
	<-stuck
	// The cleanup cancels and waits.
}
