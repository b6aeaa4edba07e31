package orphans

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver"
	"github.com/evotel/evotel/semconv"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

// watch is a receiver at work, and what it has said.
type watch struct {
	mu    sync.Mutex
	last  pmetric.Metrics
	times []time.Time
}

// start has a receiver scan every second and remove orphans after a second,
// until the test ends.
func start(t *testing.T, endpoint string, change ...func(c *dockerorphanreceiver.Config)) *watch {
	t.Helper()
	w := &watch{}
	next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last = md
		w.times = append(w.times, time.Now())
		return nil
	})
	require.NoError(t, err)
	factory := dockerorphanreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*dockerorphanreceiver.Config)
	cfg.Endpoint = endpoint
	cfg.CollectionInterval = time.Second
	cfg.InitialDelay = 0
	cfg.Cleanup.Mode = dockerorphanreceiver.ModeRemove
	cfg.Cleanup.Grace = time.Second
	for _, f := range change {
		f(cfg)
	}
	require.NoError(t, cfg.Validate())
	settings := receivertest.NewNopSettings(factory.Type())
	settings.Logger = zaptest.NewLogger(t, zaptest.Level(zapcore.WarnLevel))
	receiver, err := factory.CreateMetrics(t.Context(), settings, cfg, next)
	require.NoError(t, err)
	require.NoError(t, receiver.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, receiver.Shutdown(context.Background())) })
	return w
}

func (w *watch) scans() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.times)
}

// waitForScans waits for some more of them.
func (w *watch) waitForScans(t *testing.T, n int) {
	t.Helper()
	from := w.scans()
	require.Eventually(t, func() bool { return w.scans() >= from+n }, time.Minute, 20*time.Millisecond)
}

// longestSilence is the longest time between two scans.
func (w *watch) longestSilence() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest time.Duration
	for i := 1; i < len(w.times); i++ {
		longest = max(longest, w.times[i].Sub(w.times[i-1]))
	}
	return longest
}

// sum adds up the newest points that have these attributes; -1 if there is none.
func (w *watch) sum(m semconv.Metric, attrs ...string) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.times) == 0 {
		return -1
	}
	total, found := 0.0, false
	for _, got := range w.last.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
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
				found = true
				total += float64(p.IntValue()) + p.DoubleValue()
			}
		}
	}
	if !found {
		return -1
	}
	return total
}

// lifetimes returns the count and the sum of a run's lifetimes.
func (w *watch) lifetimes(run string) (count uint64, seconds float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.last.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Name() != semconv.SandboxLifetime.Name {
			continue
		}
		for _, p := range m.Histogram().DataPoints().All() {
			if v, _ := p.Attributes().Get(semconv.AttrRunID); v.Str() == run {
				return p.Count(), p.Sum()
			}
		}
	}
	return 0, 0
}

func containers(t *testing.T, e *dockertest.Engine) []string {
	t.Helper()
	list, err := e.API.ContainerList(context.Background(), container.ListOptions{All: true})
	require.NoError(t, err)
	ids := []string{}
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

func volumes(t *testing.T, e *dockertest.Engine) int {
	t.Helper()
	list, err := e.API.VolumeList(context.Background(), volume.ListOptions{})
	require.NoError(t, err)
	return len(list.Volumes)
}

// becomes waits until these are all the containers there are, and returns how
// long that took.
func becomes(t *testing.T, e *dockertest.Engine, want []string) time.Duration {
	t.Helper()
	began := time.Now()
	assert.Eventually(t, func() bool { return len(containers(t, e)) == len(want) }, 90*time.Second, 100*time.Millisecond)
	took := time.Since(began)
	assert.ElementsMatch(t, want, containers(t, e))
	return took
}
