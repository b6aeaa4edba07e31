package instrumentation

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	otelruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/evotel/evotel/semconv"
)

const (
	// shutdownTimeout bounds the last export where the caller doesn't.
	shutdownTimeout = 5 * time.Second
	// closeTimeout bounds what is merely tidied up after it, if the process is to
	// go on: a read that hangs, a scrape that does.
	closeTimeout = time.Second
	// endedRunsKept is how many runs that have ended are still exported. A
	// process that starts runs by the thousand must not grow for ever.
	endedRunsKept = 16
	// maxRuns is how many runs are exported at all: somebody may never end them.
	maxRuns = 1000
)

// Monitor sends what the runs of a process report. All methods may be called
// from many goroutines, and on a nil Monitor, where they do nothing.
type Monitor struct {
	config    config
	provider  *sdkmetric.MeterProvider
	otlp      sdkmetric.Reader // nil without OTLP
	endpoint  *endpoint        // nil without a Prometheus endpoint
	resources *resourceMonitor
	shutdown  sync.Once

	mu           sync.Mutex
	runs         []*Run
	warnedOfRuns bool

	room  atomic.Int64             // in use, of config.populationLimit
	spare atomic.Pointer[snapshot] // to be filled again; a sync.Pool's would not outlive two garbage collections
}

var _ sdkmetric.Producer = (*Monitor)(nil)

// Start begins to export metrics, over OTLP as the OTEL_* variables say (by
// default to http://localhost:4318). It never fails: whatever doesn't work is
// warned of once, tried again, and costs the loop nothing. A monitor outlives the
// cancellation of ctx, so that it can report it: see Shutdown.
func Start(ctx context.Context, opts ...Option) *Monitor {
	ctx = context.WithoutCancel(ctx)
	m := &Monitor{config: newConfig(opts)}
	env := readEnvironment(m.config.log)

	options := []sdkmetric.Option{
		sdkmetric.WithResource(newResource(ctx, m.config)),
		// Populations don't pass through the SDK's instruments; this is for
		// what does, the Go runtime's few series.
		sdkmetric.WithCardinalityLimit(0),
	}
	if env.otlp {
		if m.otlp = newOTLPReader(ctx, env, m.config, m); m.otlp != nil {
			options = append(options, sdkmetric.WithReader(m.otlp))
		}
	}
	if addr := env.prometheusAddr(m.config.prometheusAddr); addr != "" {
		if m.endpoint = newEndpoint(addr, m.config.log, m); m.endpoint != nil {
			options = append(options, sdkmetric.WithReader(m.endpoint.reader))
		}
	}
	if !env.disabled {
		for _, newReader := range m.config.readers {
			if newReader != nil {
				options = append(options, sdkmetric.WithReader(newReader(m)))
			}
		}
	}

	m.resources = newResourceMonitor(m.config.log)
	m.provider = sdkmetric.NewMeterProvider(options...)
	if m.config.resourceMonitor && !env.disabled {
		m.resources.start()
		if err := otelruntime.Start(otelruntime.WithMeterProvider(m.provider), otelruntime.WithMinimumReadMemStatsInterval(resourceInterval)); err != nil {
			m.config.log.Warn("evotel: the Go runtime's metrics are missing", "error", err)
		}
	}
	return m
}

// Run begins a run. Of more than 1 000 that have not ended, the oldest are no
// longer exported.
func (m *Monitor) Run(opts ...RunOption) *Run {
	if m == nil {
		return nil
	}
	r := newRun(m, time.Now(), opts)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = slices.DeleteFunc(m.runs, func(old *Run) bool {
		if old.id == r.id {
			old.forget()
			return true
		}
		return false
	})
	m.runs = append(m.runs, r)
	if len(m.runs) > maxRuns {
		m.runs[0].forget()
		m.runs = slices.Delete(m.runs, 0, 1)
		if !m.warnedOfRuns {
			m.warnedOfRuns = true
			m.warn("evotel: more runs are going on than can be exported; the oldest are left out. Call End on those that are over", "limit", maxRuns)
		}
	}
	return r
}

// Shutdown reports each run that has not ended as failed, exports for the last
// time and stops. It does so even if ctx has been cancelled, as it is when the
// process was told to stop. With a Prometheus endpoint that is being scraped it
// waits for one more scrape. It is given up after 5 s, or at ctx's deadline where
// it has one that is still to come.
func (m *Monitor) Shutdown(ctx context.Context) {
	if m == nil {
		return
	}
	m.shutdown.Do(func() {
		deadline, ok := ctx.Deadline()
		if !ok || time.Until(deadline) <= 0 {
			deadline = time.Now().Add(shutdownTimeout)
		}
		last, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
		defer cancel()
		for _, r := range m.currentRuns() {
			r.setEnd(semconv.RunFailed)
		}
		// The Collector first: it needs no time, a scraper may need all of it.
		if m.otlp != nil {
			if err := m.otlp.Shutdown(last); err != nil {
				m.config.log.Warn("evotel: the last export has failed, so that how the runs ended may not be known", "error", err)
			}
		}
		if m.endpoint != nil {
			m.endpoint.lastScrape(last)
		}

		closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancelClosing()
		if err := m.provider.Shutdown(closing); err != nil && !errors.Is(err, sdkmetric.ErrReaderShutdown) {
			m.config.log.Warn("evotel: a metric reader can't be shut down", "error", err)
		}
		if m.endpoint != nil {
			m.endpoint.stop(closing)
		}
		m.resources.stop(closing)
	})
}

func (m *Monitor) currentRuns() []*Run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.runs)
}

// ended lets the oldest runs go that have ended, beyond endedRunsKept.
func (m *Monitor) ended() {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := 0
	for _, r := range slices.Backward(m.runs) {
		if r.hasEnded() {
			ended++
		}
	}
	m.runs = slices.DeleteFunc(m.runs, func(r *Run) bool {
		if ended > endedRunsKept && r.hasEnded() {
			ended--
			r.forget()
			return true
		}
		return false
	})
}

// takeRoom takes room for a snapshot of the given cost that replaces one of cost
// old. It returns false, and takes none, where that exceeds the limit.
func (m *Monitor) takeRoom(cost, old int64) bool {
	if m.room.Add(cost)-old > m.config.populationLimit {
		m.room.Add(-cost)
		return false
	}
	return true
}

func (m *Monitor) giveRoom(cost int64) { m.room.Add(-cost) }

func (m *Monitor) newSnapshot() *snapshot {
	if s := m.spare.Swap(nil); s != nil {
		return s
	}
	return &snapshot{}
}

func (m *Monitor) freeSnapshot(s *snapshot) {
	s.reset()
	m.spare.Store(s)
}

// warn is for the loop's goroutine, which must not wait for a log.
func (m *Monitor) warn(text string, args ...any) { go m.config.log.Warn(text, args...) }
