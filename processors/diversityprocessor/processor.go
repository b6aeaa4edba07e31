package diversityprocessor

import (
	"context"
	"math"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/semconv"
)

// maxWarned bounds the memory of which runs have been warned about.
const maxWarned = 1000

// effectiveNumbers are the measures in [1,n] rather than [0,1].
var effectiveNumbers = []string{semconv.MeasureHill1}

type diversity struct {
	config    *Config
	log       *zap.Logger
	telemetry *metadata.TelemetryBuilder

	mu     sync.Mutex
	warned map[string]struct{} // runs
}

// process replaces the individuals of each resource by measures of them.
func (d *diversity) process(ctx context.Context, request pmetric.Metrics) (pmetric.Metrics, error) {
	dropped := false
	resources := request.ResourceMetrics()
	for i := range resources.Len() {
		resource := resources.At(i)
		order, snapshots := d.collect(resource)
		if len(order) == 0 {
			continue
		}
		dropped = dropped || !d.config.KeepIndividuals
		sizes := populationSizes(resource)
		out := pmetric.NewScopeMetrics()
		out.Scope().SetName(metadata.ScopeName)
		e := newEmitter(out)
		for _, key := range order {
			s := snapshots[key]
			got := len(s.individuals) + s.over
			if want, ok := sizes[key]; ok && want != got {
				d.telemetry.ProcessorDiversityIncompleteSnapshots.Add(ctx, 1)
				d.warn(key, want, got)
				continue
			}
			d.emit(ctx, e, key, s)
		}
		if !d.config.KeepIndividuals {
			dropIndividuals(resource)
		}
		if out.Metrics().Len() > 0 {
			out.MoveTo(resource.ScopeMetrics().AppendEmpty())
		}
	}
	if dropped {
		resources.RemoveIf(func(resource pmetric.ResourceMetrics) bool { return resource.ScopeMetrics().Len() == 0 })
		if resources.Len() == 0 {
			return request, processorhelper.ErrSkipProcessingData
		}
	}
	return request, nil
}

// collect gathers the individuals of a resource by island, in the order in which
// the islands appear.
func (d *diversity) collect(resource pmetric.ResourceMetrics) ([]island, map[island]*snapshot) {
	var order []island
	snapshots := map[island]*snapshot{}
	eachMetric(resource, func(m pmetric.Metric) {
		if !isSnapshot(m) {
			return
		}
		points := m.Gauge().DataPoints()
		for i := range points.Len() {
			point := points.At(i)
			if point.Flags().NoRecordedValue() {
				continue
			}
			key := islandOf(point.Attributes())
			s, ok := snapshots[key]
			if !ok {
				s = &snapshot{}
				snapshots[key] = s
				order = append(order, key)
			}
			if point.Timestamp() > s.timestamp {
				s.timestamp, s.start = point.Timestamp(), point.StartTimestamp()
			}
			if len(s.individuals) >= d.config.MaxIndividuals {
				s.over++
				continue
			}
			one := individual{fitness: pointValue(point)}
			if value, ok := point.Attributes().Get(semconv.AttrIndividualGenome); ok {
				one.genome = parseGenome(value, d.config.MaxGenes)
			}
			s.individuals = append(s.individuals, one)
		}
	})
	return order, snapshots
}

// populationSizes reads what the loop says the sizes of its islands are.
func populationSizes(resource pmetric.ResourceMetrics) map[island]int {
	sizes := map[island]int{}
	eachMetric(resource, func(m pmetric.Metric) {
		if m.Name() != semconv.PopulationSize.Name || m.Type() != pmetric.MetricTypeGauge {
			return
		}
		points := m.Gauge().DataPoints()
		for i := range points.Len() {
			if point := points.At(i); !point.Flags().NoRecordedValue() {
				sizes[islandOf(point.Attributes())] = int(pointValue(point))
			}
		}
	})
	return sizes
}

func eachMetric(resource pmetric.ResourceMetrics, visit func(pmetric.Metric)) {
	scopes := resource.ScopeMetrics()
	for i := range scopes.Len() {
		metrics := scopes.At(i).Metrics()
		for j := range metrics.Len() {
			visit(metrics.At(j))
		}
	}
}

// dropIndividuals removes the individuals, and the scopes that held nothing else.
func dropIndividuals(resource pmetric.ResourceMetrics) {
	resource.ScopeMetrics().RemoveIf(func(scope pmetric.ScopeMetrics) bool {
		before := scope.Metrics().Len()
		scope.Metrics().RemoveIf(isSnapshot)
		return before > 0 && scope.Metrics().Len() == 0
	})
}

// warn says once a run that a snapshot is not whole.
func (d *diversity) warn(key island, want, got int) {
	d.mu.Lock()
	_, known := d.warned[key.run]
	if !known && len(d.warned) < maxWarned {
		d.warned[key.run] = struct{}{}
	}
	d.mu.Unlock()
	if known {
		return
	}
	d.log.Warn("A population snapshot is not whole, so its diversity is not reported. "+
		"Something between the loop and this processor splits requests (a batch processor must come after it), "+
		"or the loop reports another evolution.population.size than the individuals it sends.",
		zap.String(semconv.AttrRunID, key.run), zap.String(semconv.AttrIsland, key.name),
		zap.Int("population_size", want), zap.Int("individuals", got))
}

// emit writes everything that is known of a whole snapshot.
func (d *diversity) emit(ctx context.Context, e *emitter, key island, s *snapshot) {
	d.telemetry.ProcessorDiversitySnapshots.Add(ctx, 1)
	v := s.validate()
	put := func(m semconv.Metric, attr, value string, number float64) {
		point := e.metric(m).Gauge().DataPoints().AppendEmpty()
		point.SetTimestamp(s.timestamp)
		point.SetStartTimestamp(s.start)
		point.SetDoubleValue(number)
		key.put(point.Attributes())
		point.Attributes().PutStr(attr, value)
	}
	for _, validity := range []string{
		semconv.ValidityValid, semconv.ValidityNonFinite, semconv.ValidityLength, semconv.ValidityEmpty,
		semconv.ValidityMissing, semconv.ValidityOutOfBounds, semconv.ValidityLimit,
	} {
		count := v.counts[validity]
		put(semconv.PopulationIndividuals, semconv.AttrIndividualValidity, validity, float64(count))
		if count > 0 && validity != semconv.ValidityValid {
			d.telemetry.ProcessorDiversityInvalidIndividuals.Add(ctx, int64(count),
				metric.WithAttributes(attribute.String(semconv.AttrIndividualValidity, validity)))
		}
	}
	if v.population == nil {
		return
	}
	for _, name := range d.config.Measures {
		value, ok := measure.Compute(name, v.population)
		if !ok {
			continue
		}
		to := semconv.PopulationDiversity
		if slices.Contains(effectiveNumbers, name) {
			to = semconv.PopulationEffectiveSize
		}
		put(to, semconv.AttrDiversityMeasure, name, value)
	}
	if len(v.fitness) == 0 {
		return
	}
	mean, stddev := meanAndStddev(v.fitness)
	put(semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticMin, slices.Min(v.fitness))
	put(semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticMean, mean)
	put(semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticMax, slices.Max(v.fitness))
	put(semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticStddev, stddev)
}

// meanAndStddev gives the mean and the population standard deviation, by
// Welford's recurrence (Technometrics 4, 1962, 419).
func meanAndStddev(values []float64) (mean, stddev float64) {
	var squares float64
	for i, v := range values {
		delta := v - mean
		mean += delta / float64(i+1)
		squares += delta * (v - mean)
	}
	return mean, math.Sqrt(squares / float64(len(values)))
}

// emitter makes each metric once.
type emitter struct {
	scope   pmetric.ScopeMetrics
	metrics map[string]pmetric.Metric
}

func newEmitter(scope pmetric.ScopeMetrics) *emitter {
	return &emitter{scope: scope, metrics: map[string]pmetric.Metric{}}
}

func (e *emitter) metric(convention semconv.Metric) pmetric.Metric {
	if m, ok := e.metrics[convention.Name]; ok {
		return m
	}
	m := e.scope.Metrics().AppendEmpty()
	m.SetName(convention.Name)
	m.SetUnit(convention.Unit)
	m.SetDescription(convention.Description)
	m.SetEmptyGauge()
	e.metrics[convention.Name] = m
	return m
}
