package dockerorphanreceiver

import (
	"sort"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver/internal/metadata"
	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
	"github.com/evotel/evotel/semconv"
)

// lifetimeBounds are the upper bounds, in seconds, of the lifetime histogram's
// buckets: from a test that fails at once to an agent that works for an hour.
var lifetimeBounds = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}

type histogram struct {
	counts []uint64
	sum    float64
	count  uint64
}

func newHistogram() histogram { return histogram{counts: make([]uint64, len(lifetimeBounds)+1)} }

func (h *histogram) add(v float64) {
	h.counts[sort.SearchFloat64s(lifetimeBounds, v)]++
	h.sum += v
	h.count++
}

// emitter builds points by hand, since mdatagen's builder knows no histograms
// and gives all counters one start time; here each run has its own.
type emitter struct {
	metrics pmetric.MetricSlice
	made    map[string]pmetric.Metric
	now     pcommon.Timestamp
}

func (e *emitter) metric(m semconv.Metric) pmetric.Metric {
	if made, ok := e.made[m.Name]; ok {
		return made
	}
	made := e.metrics.AppendEmpty()
	made.SetName(m.Name)
	made.SetUnit(m.Unit)
	made.SetDescription(m.Description)
	switch m.Instrument {
	case semconv.Counter, semconv.UpDownCounter:
		s := made.SetEmptySum()
		s.SetIsMonotonic(m.Instrument == semconv.Counter)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	case semconv.Histogram:
		made.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	default:
		made.SetEmptyGauge()
	}
	e.made[m.Name] = made
	return made
}

// point adds a number; attrs are pairs of key and value.
func (e *emitter) point(m semconv.Metric, start time.Time, attrs ...string) pmetric.NumberDataPoint {
	made := e.metric(m)
	var p pmetric.NumberDataPoint
	if made.Type() == pmetric.MetricTypeSum {
		p = made.Sum().DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	} else {
		p = made.Gauge().DataPoints().AppendEmpty()
	}
	p.SetTimestamp(e.now)
	putAll(p.Attributes(), attrs)
	return p
}

func putAll(to pcommon.Map, pairs []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		to.PutStr(pairs[i], pairs[i+1])
	}
}

// metrics returns the state of all runs. While the Engine is away it repeats
// the last one, for as long as runs are kept.
func (l *ledger) metrics(now time.Time, up bool) pmetric.Metrics {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	md := pmetric.NewMetrics()
	scope := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	scope.Scope().SetName(metadata.ScopeName)
	e := &emitter{metrics: scope.Metrics(), made: map[string]pmetric.Metric{}, now: pcommon.NewTimestampFromTime(now)}
	answer := int64(0)
	if up {
		answer = 1
	}
	e.point(semconv.SandboxDockerUp, l.began).SetIntValue(answer)
	for run, a := range l.runs {
		if !up && now.Sub(a.seen) > l.retention {
			if run != "" {
				delete(l.runs, run)
				continue
			}
			a.clearGauges()
		}
		a.emit(e, run)
	}
	if l.perContainer && up {
		for id, b := range l.boxes {
			b.emit(e, id)
		}
	}
	return md
}

func (l *ledger) isCrowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.crowded
}

// emit adds the container's own points, if it runs and could be measured.
func (b *box) emit(e *emitter, id string) {
	if !b.running || !b.measured {
		return
	}
	attrs := func(more ...string) []string {
		return append([]string{
			semconv.AttrRunID, b.run, semconv.AttrContainerID, id,
			semconv.AttrContainerName, b.name, semconv.AttrContainerImageName, b.image,
		}, more...)
	}
	e.point(semconv.ContainerCPUTime, b.created, attrs()...).SetDoubleValue(b.last.CPU.Seconds())
	e.point(semconv.ContainerMemoryUsage, b.created, attrs()...).SetIntValue(int64(b.last.Memory))
	e.io(semconv.ContainerNetworkIO, semconv.ContainerDiskIO, b.created, b.last, attrs)
}

// io adds the points of both directions of both metrics.
func (e *emitter) io(network, disk semconv.Metric, start time.Time, u cgroup.Usage, attrs func(more ...string) []string) {
	for _, d := range []struct {
		metric      semconv.Metric
		attr, value string
		bytes       uint64
	}{
		{network, semconv.AttrNetworkIODirection, semconv.NetworkReceive, u.NetworkReceived},
		{network, semconv.AttrNetworkIODirection, semconv.NetworkTransmit, u.NetworkSent},
		{disk, semconv.AttrDiskIODirection, semconv.DiskRead, u.DiskRead},
		{disk, semconv.AttrDiskIODirection, semconv.DiskWrite, u.DiskWritten},
	} {
		e.point(d.metric, start, attrs(d.attr, d.value)...).SetIntValue(int64(d.bytes))
	}
}

func (a *account) emit(e *emitter, run string) {
	id := func(more ...string) []string { return append([]string{semconv.AttrRunID, run}, more...) }
	for _, v := range []sandbox.Kind{sandbox.Live, sandbox.Orphan, sandbox.Unverifiable} {
		a.containers[stateVerdict{sandbox.StateRunning, v}] += 0
	}
	for k, n := range a.containers {
		e.point(semconv.SandboxContainers, a.start, id(semconv.AttrSandboxState, k.state, semconv.AttrSandboxVerdict, string(k.verdict))...).SetIntValue(n)
	}
	for _, r := range sandbox.OrphanReasons() {
		e.point(semconv.SandboxOrphans, a.start, id(semconv.AttrSandboxReason, string(r))...).SetIntValue(a.orphans[r])
		for _, result := range []string{semconv.ReapRemoved, semconv.ReapGone, semconv.ReapFailed, semconv.ReapDryRun} {
			e.point(semconv.SandboxReaps, a.start, id(semconv.AttrSandboxReason, string(r), semconv.AttrSandboxReapResult, result)...).SetIntValue(a.reaps[reap{r, result}])
		}
	}
	for _, r := range sandbox.UnverifiableReasons() {
		e.point(semconv.SandboxUnverifiable, a.start, id(semconv.AttrSandboxReason, string(r))...).SetIntValue(a.unverified[r])
	}
	for _, kind := range []string{semconv.ExitOK, semconv.ExitError, semconv.ExitOOMKilled, semconv.ExitKilled} {
		e.point(semconv.SandboxExits, a.start, id(semconv.AttrSandboxExit, kind)...).SetIntValue(a.exits[kind])
	}
	e.point(semconv.SandboxCPUTime, a.start, id()...).SetDoubleValue(a.used.CPU.Seconds())
	e.point(semconv.SandboxMemoryUsage, a.start, id()...).SetIntValue(int64(a.used.Memory))
	e.point(semconv.SandboxMemoryUsageMax, a.start, id()...).SetIntValue(int64(a.memoryMax))
	e.io(semconv.SandboxNetworkIO, semconv.SandboxDiskIO, a.start, a.used, id)
	h := e.metric(semconv.SandboxLifetime).Histogram().DataPoints().AppendEmpty()
	h.SetStartTimestamp(pcommon.NewTimestampFromTime(a.start))
	h.SetTimestamp(e.now)
	putAll(h.Attributes(), id())
	h.ExplicitBounds().FromRaw(lifetimeBounds)
	h.BucketCounts().FromRaw(a.lifetime.counts)
	h.SetCount(a.lifetime.count)
	h.SetSum(a.lifetime.sum)
}
