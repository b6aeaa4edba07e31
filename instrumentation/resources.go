package instrumentation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/process"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/instrumentation/internal/cgroup"
	"github.com/evotel/evotel/semconv"
)

const (
	// resourceInterval is the cycle in which resources are read, whatever the
	// exports' is.
	resourceInterval = 5 * time.Second
	// resourceExpiry is when a reading is too old to be exported: a read that
	// hangs, such as of a lost network file system, must not look like news.
	resourceExpiry = 3*resourceInterval + resourceInterval/2
)

// reading is what one source said.
type reading struct {
	at     time.Time
	values []value
}

// value is the value of a metric. Counters are cumulative.
type value struct {
	metric  semconv.Metric
	attrs   attribute.Set
	integer int64
	float   float64
	isFloat bool
}

func integer(m semconv.Metric, v int64, attrs ...attribute.KeyValue) value {
	return value{metric: m, integer: v, attrs: attribute.NewSet(attrs...)}
}

func float(m semconv.Metric, v float64, attrs ...attribute.KeyValue) value {
	return value{metric: m, float: v, isFloat: true, attrs: attribute.NewSet(attrs...)}
}

// source reads one kind of resource. It may fail, and it may hang: each source
// has a goroutine of its own, so that it holds up no other, and never two reads
// at once.
type source struct {
	name string
	// read returns what it could read, and an error for what it couldn't.
	read func(context.Context) ([]value, error)
}

// resourceMonitor reads the resources that the process, its container and its
// host use.
type resourceMonitor struct {
	log     *slog.Logger
	sources []source
	started time.Time
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	readings []reading
}

func newResourceMonitor(log *slog.Logger) *resourceMonitor {
	sources := []source{
		{"process", readProcess},
		{"container", readContainer},
		{"memory", readMemory},
		{"CPU", cpuReader()},
		{"load", readLoad},
		{"file system", readFilesystem},
	}
	return &resourceMonitor{log: log, sources: sources, readings: make([]reading, len(sources)), cancel: func() {}}
}

func (m *resourceMonitor) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.started = cancel, time.Now()
	for i := range m.sources {
		m.running.Go(func() { m.watch(ctx, i) })
	}
}

// stop waits for reads in progress until ctx is done; one that hangs is left
// behind.
func (m *resourceMonitor) stop(ctx context.Context) {
	m.cancel()
	stopped := make(chan struct{})
	go func() {
		m.running.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
	}
}

func (m *resourceMonitor) watch(ctx context.Context, i int) {
	ticker := time.NewTicker(resourceInterval) // drops ticks that a slow read misses
	defer ticker.Stop()
	failing := false
	for {
		values, err := m.sources[i].read(ctx)
		m.mu.Lock()
		m.readings[i] = reading{at: time.Now(), values: values}
		m.mu.Unlock()
		if err != nil && !failing && ctx.Err() == nil {
			m.log.Warn("evotel: some resource metrics are missing; reading them is tried again. In a container, check that /proc and /sys are mounted and readable",
				"of", m.sources[i].name, "error", err)
		}
		if err == nil && failing {
			m.log.Info("evotel: the resource metrics are there again", "of", m.sources[i].name)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// metrics returns the latest readings.
func (m *resourceMonitor) metrics(now time.Time) []metricdata.Metrics {
	m.mu.Lock()
	readings := append([]reading(nil), m.readings...)
	m.mu.Unlock()
	var out []metricdata.Metrics
	for _, r := range readings {
		if now.Sub(r.at) > resourceExpiry {
			continue
		}
		for i := 0; i < len(r.values); {
			// Values of one metric stand next to each other.
			j := i + 1
			for j < len(r.values) && r.values[j].metric.Name == r.values[i].metric.Name {
				j++
			}
			out = m.append(out, r.values[i:j], r.at)
			i = j
		}
	}
	return out
}

func (m *resourceMonitor) append(to []metricdata.Metrics, values []value, at time.Time) []metricdata.Metrics {
	c := values[0].metric
	if values[0].isFloat {
		points := make([]metricdata.DataPoint[float64], len(values))
		for i, v := range values {
			points[i] = metricdata.DataPoint[float64]{Attributes: v.attrs, StartTime: m.started, Time: at, Value: v.float}
		}
		if c.Instrument == semconv.Gauge {
			return appendGauge(to, c, points)
		}
		return appendSum(to, c, points)
	}
	points := make([]metricdata.DataPoint[int64], len(values))
	for i, v := range values {
		points[i] = metricdata.DataPoint[int64]{Attributes: v.attrs, StartTime: m.started, Time: at, Value: v.integer}
	}
	if c.Instrument == semconv.Gauge {
		return appendGauge(to, c, points)
	}
	return appendSum(to, c, points)
}

func readProcess(ctx context.Context) ([]value, error) {
	p, err := process.NewProcessWithContext(ctx, int32(os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("finding the process: %w", err)
	}
	var values []value
	var errs []error
	if m, err := p.MemoryInfoWithContext(ctx); err != nil {
		errs = append(errs, fmt.Errorf("reading the process's memory: %w", err))
	} else {
		values = append(values, integer(semconv.ProcessMemoryUsage, int64(m.RSS)), integer(semconv.ProcessMemoryVirtual, int64(m.VMS)))
	}
	if t, err := p.TimesWithContext(ctx); err != nil {
		errs = append(errs, fmt.Errorf("reading the process's CPU time: %w", err))
	} else {
		values = append(values,
			float(semconv.ProcessCPUTime, t.User, attribute.String(semconv.AttrCPUMode, semconv.CPUModeUser)),
			float(semconv.ProcessCPUTime, t.System, attribute.String(semconv.AttrCPUMode, semconv.CPUModeSystem)))
	}
	if n, err := p.NumThreadsWithContext(ctx); err != nil {
		errs = append(errs, fmt.Errorf("counting the process's threads: %w", err))
	} else {
		values = append(values, integer(semconv.ProcessThreadCount, int64(n)))
	}
	if n, err := p.NumFDsWithContext(ctx); err != nil {
		errs = append(errs, fmt.Errorf("counting the process's open files: %w", err))
	} else {
		values = append(values, integer(semconv.ProcessOpenFiles, int64(n)))
	}
	if ms, err := p.CreateTimeWithContext(ctx); err != nil {
		errs = append(errs, fmt.Errorf("reading the process's start: %w", err))
	} else {
		values = append(values, float(semconv.ProcessUptime, max(time.Since(time.UnixMilli(ms)).Seconds(), 0)))
	}
	return values, errors.Join(errs...)
}

// readContainer reads nothing where no limit applies: the host's memory is what
// counts then.
func readContainer(context.Context) ([]value, error) {
	m, err := cgroup.ReadMemory(os.DirFS("/"))
	if errors.Is(err, cgroup.ErrNoLimit) || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []value{integer(semconv.ContainerMemoryUsage, m.Usage), integer(semconv.ContainerMemoryLimit, m.Limit)}, nil
}

// readMemory counts as used what programs could not get: caches that the kernel
// would give up are free.
func readMemory(ctx context.Context) ([]value, error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the host's memory: %w", err)
	}
	if m.Total == 0 {
		return nil, errors.New("reading the host's memory: there seems to be none")
	}
	used, free := attribute.String(semconv.AttrMemoryState, semconv.MemoryStateUsed), attribute.String(semconv.AttrMemoryState, semconv.MemoryStateFree)
	available := min(m.Available, m.Total)
	share := float64(available) / float64(m.Total)
	return []value{
		integer(semconv.SystemMemoryUsage, int64(m.Total-available), used),
		integer(semconv.SystemMemoryUsage, int64(available), free),
		float(semconv.SystemMemoryUtilization, 1-share, used),
		float(semconv.SystemMemoryUtilization, share, free),
	}, nil
}

// cpuReader compares the CPU times with those of its last call; the first call
// has nothing to compare with.
func cpuReader() func(context.Context) ([]value, error) {
	var last *cpu.TimesStat
	return func(ctx context.Context) ([]value, error) {
		times, err := cpu.TimesWithContext(ctx, false)
		if err != nil || len(times) == 0 {
			return nil, fmt.Errorf("reading the host's CPU times: %w", errors.Join(err, errIf(len(times) == 0, "none reported")))
		}
		now := times[0]
		defer func() { last = &now }()
		if last == nil {
			return nil, nil
		}
		idle := now.Idle + now.Iowait - last.Idle - last.Iowait
		total := total(now) - total(*last)
		if total <= 0 {
			return nil, nil
		}
		return []value{float(semconv.SystemCPUUtilization, min(max(1-idle/total, 0), 1))}, nil
	}
}

// total leaves out Guest and GuestNice, which User and Nice contain.
func total(t cpu.TimesStat) float64 {
	return t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
}

func errIf(condition bool, text string) error {
	if condition {
		return errors.New(text)
	}
	return nil
}

func readLoad(ctx context.Context) ([]value, error) {
	avg, err := load.AvgWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the host's load: %w", err)
	}
	return []value{float(semconv.SystemCPULoad1m, avg.Load1)}, nil
}

func readFilesystem(ctx context.Context) ([]value, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	usage, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("reading the file system of %s: %w", dir, err)
	}
	return []value{float(semconv.SystemFilesystemUtilization, usage.UsedPercent/100)}, nil
}
