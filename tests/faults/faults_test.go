// Package faults_test breaks what the instrumentation library depends on, with
// the real Collector, while a loop runs: the loop must not notice, and data must
// flow again soon after the cause has gone.
package faults_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/tests/collector"
)

const (
	// promise is how soon data must flow again.
	promise = 10 * time.Second
	// stall is longer than the scheduler ever keeps a goroutine from running
	// here, and shorter than anything that waits for a network.
	stall = 500 * time.Millisecond
)

// warnings is a log that counts.
type warnings struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *warnings) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (w *warnings) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *warnings) count() int { return strings.Count(w.String(), "level=WARN") }

// loop is a loop of 5 ms iterations that runs until the test ends.
type loop struct {
	run  *instrumentation.Run
	stop func() (slowest time.Duration, iterations int)
}

func population(n, genes int) []instrumentation.Individual {
	out := make([]instrumentation.Individual, n)
	for i := range out {
		g := make([]float64, genes)
		g[0] = float64(i) / float64(n)
		out[i] = instrumentation.Individual{ID: strconv.Itoa(i), Genome: instrumentation.Numeric(g)}
	}
	return out
}

func start(t *testing.T, individuals []instrumentation.Individual, opts ...instrumentation.Option) *loop {
	m := instrumentation.Start(t.Context(), opts...)
	l := &loop{run: m.Run()}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var slowest time.Duration
	iterations := 0
	running.Go(func() {
		for ctx.Err() == nil {
			begin := time.Now()
			iteration, evaluation := l.run.Iteration(), l.run.Evaluation()
			l.run.Champion(float64(iterations / 10))
			l.run.Population("", individuals)
			evaluation.End(nil)
			iteration.End(nil)
			slowest = max(slowest, time.Since(begin))
			iterations++
			time.Sleep(5 * time.Millisecond)
		}
	})
	l.stop = sync.OnceValues(func() (time.Duration, int) {
		cancel()
		running.Wait()
		l.run.End(nil)
		m.Shutdown(context.Background())
		return slowest, iterations
	})
	t.Cleanup(func() { l.stop() })
	return l
}

// flows waits until the Collector shows an iteration that ended after now.
func (l *loop) flows(t *testing.T, c *collector.Collector) {
	t.Helper()
	current := func() float64 {
		return c.Samples().Select("evolution_iteration_current", "evolution_run_id", l.run.ID()).Value()
	}
	begin, was := time.Now(), current()
	require.Eventually(t, func() bool { return current() > was && current() > 0 }, promise, 50*time.Millisecond, "no data within %v", promise)
	t.Logf("data flow after %v", time.Since(begin).Round(100*time.Millisecond))
}

// unharmed checks that the loop has run on at full speed.
func (l *loop) unharmed(t *testing.T) {
	t.Helper()
	slowest, iterations := l.stop()
	t.Logf("%d iterations, the slowest spent %v in the library", iterations, slowest)
	assert.Less(t, slowest, stall)
	assert.Positive(t, iterations)
}

func send(t *testing.T, c *collector.Collector, protocol string) {
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
	addr := c.OTLPHTTP
	if protocol == "grpc" {
		addr = c.OTLPGRPC
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr)
}

var protocols = []string{"http/protobuf", "grpc"}

func TestCollectorIsAbsentKilledAndHangs(t *testing.T) {
	c := collector.New(t)
	before := heap()
	logs, loops := map[string]*warnings{}, map[string]*loop{}
	for _, protocol := range protocols {
		send(t, c, protocol)
		logs[protocol] = &warnings{}
		loops[protocol] = start(t, population(100, 8), instrumentation.WithLogger(logs[protocol].logger()))
	}
	flow := func() {
		t.Helper()
		for _, protocol := range protocols {
			loops[protocol].flows(t, c)
		}
	}
	for _, log := range logs {
		require.Eventually(t, func() bool { return log.count() > 0 }, promise, 50*time.Millisecond)
		assert.Contains(t, log.String(), "No Collector answers")
	}
	time.Sleep(3 * time.Second) // some more attempts
	c.Start(t)
	flow()

	c.Kill()
	time.Sleep(5 * time.Second)
	c.Start(t)
	flow()

	c.Pause(t)
	time.Sleep(8 * time.Second) // longer than an export may take
	c.Resume(t)
	flow()

	assert.Less(t, heap(), before+32<<20, "bytes of heap")
	for _, protocol := range protocols {
		assert.Equal(t, 1, logs[protocol].count(), "one warning a minute:\n%s", logs[protocol])
		loops[protocol].unharmed(t)
		assert.Equal(t, 1.0, c.Samples().Select("evolution_run_state_ratio", "evolution_run_id", loops[protocol].run.ID(), "evolution_run_state", "completed").Value())
	}
}

// A Collector without memory refuses what it is sent.
func TestCollectorAnswersErrors(t *testing.T) {
	c := collector.New(t, "testdata/nomemory.yaml")
	c.Start(t)
	logs, loops := map[string]*warnings{}, map[string]*loop{}
	for _, protocol := range protocols {
		send(t, c, protocol)
		logs[protocol] = &warnings{}
		loops[protocol] = start(t, population(100, 8), instrumentation.WithLogger(logs[protocol].logger()))
	}
	for _, log := range logs {
		require.Eventually(t, func() bool { return log.count() > 0 }, promise, 50*time.Millisecond)
		assert.Contains(t, log.String(), "refuses data for want of memory")
	}
	c.Kill()
	c.Configure()
	c.Start(t)
	for _, protocol := range protocols {
		loops[protocol].flows(t, c)
		loops[protocol].unharmed(t)
		assert.Equal(t, 1, logs[protocol].count(), "%s", logs[protocol])
	}
}

// authOverlay makes the shipped Collector's OTLP receiver want a token. Lists of
// overlays replace those that are shipped, so this one's holds them too.
func authOverlay(t *testing.T) string {
	shipped, err := os.ReadFile(filepath.Join(collector.Root(), "collector-config", "collector.yaml"))
	require.NoError(t, err)
	var config struct{ Service struct{ Extensions []string } }
	require.NoError(t, yaml.Unmarshal(shipped, &config))
	require.NotEmpty(t, config.Service.Extensions)
	overlay, err := yaml.Marshal(map[string]any{
		"extensions": map[string]any{"bearertokenauth": map[string]any{"token": "right"}},
		"receivers": map[string]any{"otlp": map[string]any{"protocols": map[string]any{"http": map[string]any{
			"auth": map[string]any{"authenticator": "bearertokenauth"},
		}}}},
		"service": map[string]any{"extensions": append(config.Service.Extensions, "bearertokenauth")},
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "auth.yaml")
	require.NoError(t, os.WriteFile(file, overlay, 0o600))
	return file
}

func TestCredentialsAreRefused(t *testing.T) {
	c := collector.New(t, authOverlay(t))
	c.Start(t)
	send(t, c, "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20wrong")
	log := &warnings{}
	l := start(t, nil, instrumentation.WithLogger(log.logger()))
	require.Eventually(t, func() bool { return log.count() > 0 }, promise, 50*time.Millisecond)
	assert.Contains(t, log.String(), "OTEL_EXPORTER_OTLP_HEADERS")
	l.unharmed(t)
	assert.Equal(t, 1, log.count(), "%s", log)

	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20right")
	start(t, nil).flows(t, c)
}

func TestPrometheusPortIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	log := &warnings{}
	l := start(t, nil, instrumentation.WithLogger(log.logger()), instrumentation.WithPrometheusAddr(taken.Addr().String()))
	require.Eventually(t, func() bool { return log.count() > 0 }, promise, 50*time.Millisecond)
	require.NoError(t, taken.Close())
	require.Eventually(t, func() bool {
		return collector.Scrape("http://"+taken.Addr().String()+"/metrics").Select("evolution_iteration_current").Value() > 0
	}, promise, 50*time.Millisecond)
	assert.Equal(t, 1, log.count(), "%s", log)
	l.unharmed(t)
}

func TestProcIsNotMounted(t *testing.T) {
	c := collector.New(t)
	c.Start(t)
	send(t, c, "http/protobuf")
	t.Setenv("HOST_PROC", t.TempDir()) // where gopsutil looks
	log := &warnings{}
	l := start(t, nil, instrumentation.WithLogger(log.logger()))
	l.flows(t, c)
	memory := func() collector.Samples { return c.Samples().Select("process_memory_usage_bytes") }
	assert.Empty(t, memory())
	warned := log.count()
	assert.Positive(t, warned)
	assert.LessOrEqual(t, warned, 5, "one for each source:\n%s", log)
	require.NoError(t, os.Unsetenv("HOST_PROC"))
	require.Eventually(t, func() bool { return len(memory()) == 1 }, promise, 50*time.Millisecond)
	assert.Equal(t, warned, log.count(), "%s", log)
	l.unharmed(t)
}

func TestAPopulationOfAMillion(t *testing.T) {
	c := collector.New(t)
	c.Start(t)
	send(t, c, "http/protobuf")
	log := &warnings{}
	million := population(1_000_000, 1)
	before := heap()
	l := start(t, million, instrumentation.WithLogger(log.logger()))
	l.flows(t, c)
	assert.Equal(t, 1e6, c.Samples().Select("evolution_population_size", "evolution_run_id", l.run.ID()).Value())
	assert.Less(t, heap(), before+64<<20, "bytes of heap beyond the population itself")
	l.unharmed(t)
	assert.Equal(t, 1, log.count(), "%s", log)
	runtime.KeepAlive(million)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestDiskIsFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if os.IsNotExist(err) && os.Getenv("CI") == "" {
		t.Skip("there is no /dev/full here, which stands for a full disk")
	}
	require.NoError(t, err)
	defer func() { _ = full.Close() }()
	c := collector.New(t)
	send(t, c, "http/protobuf")
	l := start(t, population(100, 8), instrumentation.WithLogger(slog.New(slog.NewTextHandler(full, nil))))
	time.Sleep(3 * time.Second) // a warning that can't be written
	c.Start(t)
	l.flows(t, c)
	l.unharmed(t)
}
