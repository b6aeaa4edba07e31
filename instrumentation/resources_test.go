package instrumentation

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/semconv"
)

type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// watchSources runs a resource monitor with these sources only.
func watchSources(t *testing.T, sources ...source) (*resourceMonitor, *logLines) {
	log := &logLines{}
	m := newResourceMonitor(slog.New(slog.NewTextHandler(log, nil)))
	m.sources, m.readings = sources, make([]reading, len(sources))
	m.start()
	t.Cleanup(func() { m.stop(context.Background()) })
	return m, log
}

func names(metrics []metricdata.Metrics) []string {
	var out []string
	for _, m := range metrics {
		out = append(out, m.Name)
	}
	return out
}

func TestRealResources(t *testing.T) {
	m := newResourceMonitor(slog.Default())
	got := map[string]bool{}
	for _, s := range m.sources {
		values, err := s.read(t.Context())
		require.NoError(t, err, s.name)
		if s.name == "CPU" {
			// Needs two readings with time between them, which the kernel
			// counts in hundredths of a second.
			require.Empty(t, values)
			require.Eventually(t, func() bool {
				values, err = s.read(t.Context())
				return err == nil && len(values) == 1
			}, 10*time.Second, 20*time.Millisecond)
		}
		for _, v := range values {
			got[v.metric.Name] = true
			x := v.float
			if !v.isFloat {
				x = float64(v.integer)
			}
			assert.False(t, math.IsNaN(x) || x < 0, v.metric.Name)
			if v.metric.Unit == "1" {
				assert.LessOrEqual(t, x, 1.0, v.metric.Name)
			}
		}
	}
	for _, want := range []semconv.Metric{
		semconv.ProcessMemoryUsage, semconv.ProcessMemoryVirtual, semconv.ProcessCPUTime, semconv.ProcessThreadCount,
		semconv.ProcessOpenFiles, semconv.ProcessUptime, semconv.SystemMemoryUsage, semconv.SystemMemoryUtilization,
		semconv.SystemCPUUtilization, semconv.SystemCPULoad1m, semconv.SystemFilesystemUtilization,
	} {
		assert.True(t, got[want.Name], want.Name)
	}
}

func TestASourceThatFailsIsWarnedOfOnceAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		failing.Store(true)
		m, log := watchSources(t,
			source{"first", func(context.Context) ([]value, error) {
				if failing.Load() {
					return nil, errors.New("permission denied")
				}
				return []value{integer(semconv.ProcessThreadCount, 3)}, nil
			}},
			source{"second", func(context.Context) ([]value, error) { return []value{float(semconv.SystemCPULoad1m, 1)}, nil }},
		)
		time.Sleep(3 * resourceInterval)
		synctest.Wait()
		assert.Equal(t, []string{semconv.SystemCPULoad1m.Name}, names(m.metrics(time.Now())))
		assert.Equal(t, 1, log.count("level=WARN"))
		failing.Store(false)
		time.Sleep(resourceInterval)
		synctest.Wait()
		assert.Len(t, m.metrics(time.Now()), 2)
		assert.Equal(t, 1, log.count("there again"))
	})
}

func TestASourceThatHangsHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, reads := make(chan struct{}), 0
		m, _ := watchSources(t,
			source{"hangs", func(context.Context) ([]value, error) {
				reads++
				if reads > 1 {
					<-release
				}
				return []value{integer(semconv.ProcessThreadCount, 3)}, nil
			}},
			source{"works", func(context.Context) ([]value, error) { return []value{float(semconv.SystemCPULoad1m, 1)}, nil }},
		)
		synctest.Wait()
		assert.Len(t, m.metrics(time.Now()), 2)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, []string{semconv.SystemCPULoad1m.Name}, names(m.metrics(time.Now())), "an old reading is no news")
		assert.Equal(t, 2, reads, "reads don't pile up")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m.stop(ctx)
		require.Error(t, ctx.Err(), "a read that hangs doesn't hold up Shutdown beyond its time")
		close(release)
	})
}

func TestReadingsAreOfTheInstrumentsOfTheConventions(t *testing.T) {
	m := newResourceMonitor(slog.Default())
	m.readings[0] = reading{at: time.Now(), values: []value{
		float(semconv.ProcessCPUTime, 1), float(semconv.ProcessCPUTime, 2),
		integer(semconv.ProcessThreadCount, 3),
		float(semconv.SystemCPULoad1m, 4),
	}}
	got := m.metrics(time.Now())
	require.Len(t, got, 3)
	counter := got[0].Data.(metricdata.Sum[float64])
	assert.True(t, counter.IsMonotonic)
	assert.Len(t, counter.DataPoints, 2)
	assert.False(t, got[1].Data.(metricdata.Sum[int64]).IsMonotonic)
	assert.IsType(t, metricdata.Gauge[float64]{}, got[2].Data)
}
