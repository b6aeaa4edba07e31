package runleaseprocessor

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evotel/evotel/extensions/runleaseextension/lease"
	"github.com/evotel/evotel/semconv"
)

// hearing is what a resource says.
type hearing struct {
	// any is whether it says anything at all: a point without a value only
	// says that a series is over.
	any  bool
	runs map[string]lease.Saying
}

func listenTo(resource pmetric.ResourceMetrics) hearing {
	h := hearing{runs: map[string]lease.Saying{}}
	for _, scope := range resource.ScopeMetrics().All() {
		for _, m := range scope.Metrics().All() {
			switch m.Type() {
			case pmetric.MetricTypeGauge:
				mention(&h, m.Gauge().DataPoints())
				if m.Name() == semconv.RunState.Name {
					h.states(m.Gauge().DataPoints())
				}
			case pmetric.MetricTypeSum:
				mention(&h, m.Sum().DataPoints())
			case pmetric.MetricTypeHistogram:
				mention(&h, m.Histogram().DataPoints())
			case pmetric.MetricTypeExponentialHistogram:
				mention(&h, m.ExponentialHistogram().DataPoints())
			case pmetric.MetricTypeSummary:
				mention(&h, m.Summary().DataPoints())
			}
		}
	}
	return h
}

// mention takes note of the runs that points of any type belong to.
func mention[P interface {
	Attributes() pcommon.Map
	Flags() pmetric.DataPointFlags
}](h *hearing, points interface {
	Len() int
	At(i int) P
}) {
	for i := range points.Len() {
		p := points.At(i)
		if p.Flags().NoRecordedValue() {
			continue
		}
		h.any = true
		if id, ok := p.Attributes().Get(semconv.AttrRunID); ok {
			run := id.AsString()
			if _, known := h.runs[run]; !known {
				h.runs[run] = lease.Saying{}
			}
		}
	}
}

// states reads how runs are from evolution.run.state.
func (h *hearing) states(points pmetric.NumberDataPointSlice) {
	for _, p := range points.All() {
		id, ok := p.Attributes().Get(semconv.AttrRunID)
		if ok && !p.Flags().NoRecordedValue() {
			run := id.AsString()
			h.runs[run] = newer(h.runs[run], sayingOf(p))
		}
	}
}

// sayingOf reads a point of evolution.run.state. Only that which is 1 counts.
func sayingOf(p pmetric.NumberDataPoint) lease.Saying {
	isOne := p.ValueType() == pmetric.NumberDataPointValueTypeInt && p.IntValue() == 1 ||
		p.ValueType() == pmetric.NumberDataPointValueTypeDouble && p.DoubleValue() == 1
	if !isOne {
		return lease.Saying{}
	}
	s := lease.Saying{Time: uint64(p.Timestamp())}
	switch get(p.Attributes(), semconv.AttrRunState) {
	case semconv.RunRunning:
		s.Word = lease.Running
	case semconv.RunCompleted, semconv.RunFailed:
		s.Word = lease.Ended
	default:
		return lease.Saying{}
	}
	return s
}

// newer is the later of two sayings of one request, which may hold several
// exports. Of two at the same time, that the run lives counts.
func newer(a, b lease.Saying) lease.Saying {
	switch {
	case b.Word == lease.Mentioned:
		return a
	case a.Word == lease.Mentioned, b.Time > a.Time, b.Time == a.Time && b.Word == lease.Running:
		return b
	}
	return a
}
