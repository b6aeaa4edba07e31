package diversityprocessor

import (
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/population"
	"github.com/evotel/evotel/semconv"
)

// warnOfPart says once a run that a snapshot is not whole.
func (d *diversity) warnOfPart(s *population.Snapshot) {
	if !d.warned.Add(s.Island.Run) {
		return
	}
	size := zap.Skip()
	if s.HasSize {
		size = zap.Float64("population_size", s.Size)
	}
	d.log.Warn("A population snapshot is not whole, so its diversity is not reported. "+
		"The loop's SDK drops individuals beyond its cardinality limit (2000 in most: raise it) or such without a finite fitness, "+
		"the loop reports another "+semconv.PopulationSize.Name+" than the individuals it sends, "+
		"or something between it and this processor splits requests (a batch processor must come after it).",
		zap.String(semconv.AttrRunID, s.Island.Run), zap.String(semconv.AttrIsland, s.Island.Name),
		size, zap.Int("individuals", s.Received))
}

// warnOfWrongTypes says once a type that individuals must be a gauge.
func (d *diversity) warnOfWrongTypes(request pmetric.Metrics) {
	for _, resource := range request.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, m := range scope.Metrics().All() {
				if m.Name() == semconv.IndividualFitness.Name && !population.IsIndividuals(m) && d.wrong.Add(m.Type()) {
					d.log.Warn("Individuals are not measured but passed on, because their metric is not a gauge. "+
						"Report them with an observable gauge.",
						zap.String("metric", m.Name()), zap.Stringer("type", m.Type()),
						zap.String("scope", scope.Scope().Name()))
				}
			}
		}
	}
}
