//go:build !windows

package dockerorphanreceiver

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/enginetest"
	"github.com/evotel/evotel/semconv"
)

// newTestWatcher starts a watcher of the Engine, which ends with the test.
func newTestWatcher(t *testing.T, e *enginetest.Engine, change ...func(c *Config)) (*watcher, *observer.ObservedLogs) {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoint, cfg.HostProc, cfg.HostCgroup = e.Endpoint, t.TempDir(), ""
	for _, f := range change {
		f(cfg)
	}
	core, log := observer.New(zapcore.InfoLevel)
	set := receivertest.NewNopSettings(NewFactory().Type())
	set.Logger = zap.New(core)
	w := newWatcher(cfg, set)
	require.NoError(t, w.start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, w.shutdown(context.Background())) })
	return w, log
}

func scrape(t *testing.T, w *watcher) pmetric.Metrics {
	t.Helper()
	md, err := w.scrape(t.Context())
	require.NoError(t, err)
	return md
}

// value returns that of the point with these attributes, or -1.
func value(md pmetric.Metrics, m semconv.Metric, attrs ...string) float64 {
	for _, got := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if got.Name() != m.Name {
			continue
		}
		points := got.Gauge().DataPoints
		if got.Type() == pmetric.MetricTypeSum {
			points = got.Sum().DataPoints
		}
		for _, p := range points().All() {
			match := true
			for i := 0; i < len(attrs); i += 2 {
				v, ok := p.Attributes().Get(attrs[i])
				match = match && ok && v.Str() == attrs[i+1]
			}
			if match {
				return float64(p.IntValue()) + p.DoubleValue()
			}
		}
	}
	return -1
}

func labelled(id, status string, more ...string) enginetest.Container {
	labels := map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r"}
	for i := 0; i < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return enginetest.Container{ID: id, Name: "name-" + id, Image: "image", Labels: labels, Status: status, Created: time.Now().Add(time.Second), CPU: uint64(time.Second)}
}

func TestALostEngineIsAValue(t *testing.T) {
	e := enginetest.Start(t)
	e.Put(labelled("a", "running"))
	w, log := newTestWatcher(t, e)
	md := scrape(t, w)
	assert.Equal(t, 1.0, value(md, semconv.SandboxDockerUp))
	assert.Equal(t, 1.0, value(md, semconv.SandboxContainers, semconv.AttrRunID, "r", semconv.AttrSandboxVerdict, semconv.VerdictUnverifiable))

	e.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
		enginetest.Refuse(w, http.StatusInternalServerError, "lost")
		return true
	})
	for range 3 {
		md = scrape(t, w)
		assert.Equal(t, 0.0, value(md, semconv.SandboxDockerUp))
		assert.Equal(t, 1.0, value(md, semconv.SandboxContainers, semconv.AttrRunID, "r", semconv.AttrSandboxVerdict, semconv.VerdictUnverifiable),
			"what was is repeated")
	}
	e.Fail(nil)
	e.Speak("1.44") // and it has learnt since
	md = scrape(t, w)
	assert.Equal(t, 1.0, value(md, semconv.SandboxDockerUp))
	assert.Equal(t, 1, log.FilterMessageSnippet("does not answer").Len(), "said once")
	assert.Equal(t, 1, log.FilterMessageSnippet("answers again").Len())
}

func TestASilentEngineCostsAScanItsTimeoutAndNoMore(t *testing.T) {
	e := enginetest.Start(t)
	w, _ := newTestWatcher(t, e, func(c *Config) { c.Timeout = 20 * time.Millisecond })
	e.Fail(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	md, err := w.scrape(ctx)
	require.NoError(t, err)
	assert.Equal(t, 0.0, value(md, semconv.SandboxDockerUp))
	require.NoError(t, ctx.Err(), "consumers have time left")
}

func TestHowASandboxExitedIsAskedOnce(t *testing.T) {
	e := enginetest.Start(t)
	w, _ := newTestWatcher(t, e, func(c *Config) { c.ExitedAfter = time.Hour })
	c := labelled("a", "exited")
	c.Started, c.Finished, c.ExitCode = time.Now(), time.Now().Add(time.Second), 3
	e.Put(c)
	for range 5 {
		scrape(t, w)
	}
	assert.Equal(t, 1, e.Calls("GET /containers/*/json"))
	assert.Equal(t, 1.0, value(w.ledger.metrics(time.Now().Add(settling), true), semconv.SandboxExits, semconv.AttrRunID, "r", semconv.AttrSandboxExit, semconv.ExitError))
}

func TestSandboxesTooShortForAScanAreCountedFromEvents(t *testing.T) {
	e := enginetest.Start(t)
	w, _ := newTestWatcher(t, e)
	send := func(action events.Action, seconds int64, more ...string) {
		attributes := map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r"}
		for i := 0; i < len(more); i += 2 {
			attributes[more[i]] = more[i+1]
		}
		e.Emit(events.Message{Action: action, Actor: events.Actor{ID: "a", Attributes: attributes}, TimeNano: time.Now().Add(time.Duration(seconds) * time.Second).UnixNano()})
	}
	send(events.ActionStart, 0)
	send(events.ActionDie, 2, "exitCode", "0")
	send(events.ActionDestroy, 2)
	require.Eventually(t, func() bool {
		return value(w.ledger.metrics(time.Now().Add(settling), true), semconv.SandboxExits, semconv.AttrRunID, "r", semconv.AttrSandboxExit, semconv.ExitOK) == 1
	}, 10*time.Second, 10*time.Millisecond)
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	assert.InDelta(t, 2, w.ledger.runs["r"].lifetime.sum, 0.1)
	assert.Empty(t, w.ledger.boxes)
}

func TestTheEngineIsAskedWhereThereAreNoCgroupFiles(t *testing.T) {
	e := enginetest.Start(t)
	w, log := newTestWatcher(t, e)
	host := labelled("b", "running")
	host.HostNetwork = true
	e.Put(labelled("a", "running"), host, labelled("c", "created"))
	var md pmetric.Metrics
	for range 3 {
		md = scrape(t, w)
	}
	assert.Equal(t, 6, e.Calls("GET /containers/*/stats"), "twice a scan")
	assert.Equal(t, 1, log.FilterMessageSnippet("asking the Engine instead").Len(), "said once")
	run := []string{semconv.AttrRunID, "r"}
	assert.Equal(t, 2.0, value(md, semconv.SandboxCPUTime, run...))
	assert.Equal(t, 1400.0, value(md, semconv.SandboxMemoryUsage, run...))
	assert.Equal(t, 700.0, value(md, semconv.SandboxMemoryUsageMax, run...))
	assert.Equal(t, 1000.0, value(md, semconv.SandboxNetworkIO, append(run, semconv.AttrNetworkIODirection, "receive")...), "the host's own is not the sandbox's")
	assert.Equal(t, 80.0, value(md, semconv.SandboxDiskIO, append(run, semconv.AttrDiskIODirection, "write")...))
}

func TestASandboxThatHasJustStoppedIsNotMistakenForHiddenFiles(t *testing.T) {
	e := enginetest.Start(t)
	cgroups := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(cgroups, "cgroup.controllers"), nil, 0o600))
	w, log := newTestWatcher(t, e, func(c *Config) { c.HostCgroup = cgroups })
	e.Put(labelled("a", "running")) // by the list; the inspection knows no process of it
	scrape(t, w)
	assert.Zero(t, e.Calls("GET /containers/*/stats"))
	assert.Zero(t, log.FilterMessageSnippet("asking the Engine instead").Len())
}

// lease is an extension that says the same of all runs.
type lease struct {
	component.StartFunc
	component.ShutdownFunc
	status sandbox.RunStatus
}

func (l lease) Run(string) sandbox.RunStatus { return l.status }

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

func TestTheLeaseIsAsked(t *testing.T) {
	e := enginetest.Start(t)
	e.Put(labelled("a", "running"))
	id := component.MustNewID("lease")
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoint, cfg.HostProc, cfg.HostCgroup, cfg.Lease = e.Endpoint, t.TempDir(), "", &id
	for status, want := range map[sandbox.RunStatus]float64{sandbox.RunHeard: 0, sandbox.RunUnknown: 0, sandbox.RunEnded: 1} {
		w := newWatcher(cfg, receivertest.NewNopSettings(NewFactory().Type()))
		require.NoError(t, w.start(t.Context(), host{id: lease{status: status}}))
		md := scrape(t, w)
		assert.Equal(t, want, value(md, semconv.SandboxOrphans, semconv.AttrRunID, "r", semconv.AttrSandboxReason, semconv.ReasonRunEnded))
		require.NoError(t, w.shutdown(t.Context()))
	}
	for _, h := range []host{{}, {id: struct {
		component.StartFunc
		component.ShutdownFunc
	}{}}} {
		w := newWatcher(cfg, receivertest.NewNopSettings(NewFactory().Type()))
		err := w.start(t.Context(), h)
		require.ErrorContains(t, err, `"lease" must name an extension that knows runs, and "lease" is not one`)
		require.NoError(t, w.shutdown(t.Context()))
	}
}

func TestTooManyRunsAreSaidOnce(t *testing.T) {
	e := enginetest.Start(t)
	w, log := newTestWatcher(t, e, func(c *Config) { c.MaxRuns = 1 })
	for _, run := range []string{"r1", "r2", "r3"} {
		e.Put(labelled(run, "created", sandbox.LabelRunID, run))
	}
	for range 3 {
		scrape(t, w)
	}
	warned := log.FilterMessageSnippet("max_runs").All()
	require.Len(t, warned, 1)
	assert.Equal(t, int64(1), warned[0].ContextMap()["max_runs"])
}

func TestThatCleanupIsOffUnlessAskedFor(t *testing.T) {
	e := enginetest.Start(t)
	e.Put(labelled("a", "running", sandbox.LabelDeadline, "1970-01-01T00:00:00Z"))
	w, _ := newTestWatcher(t, e)
	w.cfg.Cleanup.Grace = 0
	for range 3 {
		md := scrape(t, w)
		assert.Equal(t, 1.0, value(md, semconv.SandboxOrphans, semconv.AttrRunID, "r", semconv.AttrSandboxReason, semconv.ReasonDeadline))
	}
	w.reaper.wait()
	assert.True(t, e.Has("a"))
}

func TestAStartThatCanNotSucceedFails(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoint = "nowhere"
	w := newWatcher(cfg, receivertest.NewNopSettings(NewFactory().Type()))
	err := w.start(t.Context(), componenttest.NewNopHost())
	require.ErrorContains(t, err, "nowhere")
	require.NoError(t, w.shutdown(t.Context()))
}

func TestNothingIsKeptOfSandboxesThatHaveComeAndGone(t *testing.T) {
	e := enginetest.Start(t)
	w, _ := newTestWatcher(t, e, func(c *Config) { c.Cleanup.Mode, c.RunRetention = ModeDryRun, 0 })
	for i := range 300 {
		id := fmt.Sprint("sandbox-", i)
		e.Put(labelled(id, "running", sandbox.LabelRunID, id, sandbox.LabelDeadline, "1970-01-01T00:00:00Z"))
		w.ledger.event(docker.Event{Action: docker.EventStart, ID: id, Run: id, Time: time.Now()})
		scrape(t, w)
		w.ledger.event(docker.Event{Action: docker.EventDie, ID: id, Run: id, Time: time.Now()})
		if i%2 == 0 { // of the others nobody tells that they have gone
			w.ledger.event(docker.Event{Action: docker.EventDestroy, ID: id, Run: id, Time: time.Now()})
		}
		e.Drop(id)
	}
	scrape(t, w)
	w.reaper.wait()
	w.ledger.metrics(time.Now().Add(settling), true)
	scrape(t, w)
	assert.Empty(t, w.ledger.boxes)
	assert.Empty(t, w.ledger.leaving)
	assert.Len(t, w.ledger.runs, 1, "that of no known run")
	assert.Empty(t, w.reaper.pending)
	assert.Empty(t, w.meter.blind)
}
