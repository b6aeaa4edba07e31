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
	scope   pmetric.ScopeMetrics
	metrics map[string]pmetric.NumberDataPointSlice
}

func newEmitter(resource pmetric.ResourceMetrics) *emitter {
	scope := resource.ScopeMetrics().AppendEmpty()
	scope.Scope().SetName(metadata.ScopeName)
	return &emitter{scope: scope, metrics: map[string]pmetric.NumberDataPointSlice{}}
}

// put writes a value of a snapshot with one attribute of its own.
func (e *emitter) put(of *population.Snapshot, to semconv.Metric, attribute, is string, value float64) {
	point := e.points(to).AppendEmpty()
	point.SetTimestamp(of.Timestamp)
	point.SetStartTimestamp(of.Start)
	point.SetDoubleValue(value)
	attributes := point.Attributes()
	attributes.EnsureCapacity(3)
	of.Island.Put(attributes)
	attributes.PutStr(attribute, is)
}

func (e *emitter) points(of semconv.Metric) pmetric.NumberDataPointSlice {
	points, ok := e.metrics[of.Name]
	if !ok {
		m := e.scope.Metrics().AppendEmpty()
		m.SetName(of.Name)
		m.SetUnit(of.Unit)
		m.SetDescription(of.Description)
		points = m.SetEmptyGauge().DataPoints()
		e.metrics[of.Name] = points
	}
	return points
}
