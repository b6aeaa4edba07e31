package diversityprocessor

import (
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/population"
	"github.com/evotel/evotel/semconv"
)

// emitter writes the points of a resource into a scope of their own, each metric
// once.
type emitter struct {
	metrics pmetric.MetricSlice
	points  map[string]pmetric.NumberDataPointSlice // by metric
}

func newEmitter(resource pmetric.ResourceMetrics) *emitter {
	scope := resource.ScopeMetrics().AppendEmpty()
	scope.Scope().SetName(metadata.ScopeName)
	scope.Metrics().EnsureCapacity(4)
	return &emitter{metrics: scope.Metrics(), points: map[string]pmetric.NumberDataPointSlice{}}
}

// put writes a value of a snapshot with one attribute of its own.
func (e *emitter) put(of *population.Snapshot, to semconv.Metric, attribute, is string, value float64) {
	points, ok := e.points[to.Name]
	if !ok {
		m := e.metrics.AppendEmpty()
		m.SetName(to.Name)
		m.SetUnit(to.Unit)
		m.SetDescription(to.Description)
		points = m.SetEmptyGauge().DataPoints()
		points.EnsureCapacity(8)
		e.points[to.Name] = points
	}
	point := points.AppendEmpty()
	point.SetTimestamp(of.Timestamp)
	point.SetStartTimestamp(of.Start)
	point.SetDoubleValue(value)
	point.Attributes().EnsureCapacity(3)
	of.Island.Put(point.Attributes())
	point.Attributes().PutStr(attribute, is)
}
