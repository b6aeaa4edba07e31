package diversityprocessor

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/population"
	"github.com/evotel/evotel/semconv"
)

type diversity struct {
	config    *Config
	log       *zap.Logger
	telemetry *metadata.TelemetryBuilder
	reader    *population.Reader

	// warned are the runs, wrong the types of metric that have been warned about.
	warned population.Remembered[string]
	wrong  population.Remembered[pmetric.MetricType]
}

// process replaces the individuals of a request by measures of them.
func (d *diversity) process(ctx context.Context, request pmetric.Metrics) (pmetric.Metrics, error) {
	begin := time.Now()
	d.warnOfWrongTypes(request)
	snapshots := d.reader.Read(request)
	if len(snapshots) > 0 {
		d.measure(ctx, request, snapshots)
		d.telemetry.ProcessorDiversityDuration.Record(ctx, time.Since(begin).Seconds())
	}
	if !d.config.KeepIndividuals && dropIndividuals(request) && request.ResourceMetrics().Len() == 0 {
		return request, processorhelper.ErrSkipProcessingData
	}
	return request, nil
}

func (d *diversity) measure(ctx context.Context, request pmetric.Metrics, snapshots []*population.Snapshot) {
	emitters := map[int]*emitter{}
	for _, s := range snapshots {
		if !s.Whole() {
			d.telemetry.ProcessorDiversityIncompleteSnapshots.Add(ctx, 1)
			d.warnOfPart(s)
			continue
		}
		e, ok := emitters[s.Entry]
		if !ok {
			e = newEmitter(request.ResourceMetrics().At(s.Entry))
			emitters[s.Entry] = e
		}
		d.measureOne(ctx, e, s)
	}
}

// measureOne writes everything that is known of a whole snapshot.
func (d *diversity) measureOne(ctx context.Context, e *emitter, s *population.Snapshot) {
	d.telemetry.ProcessorDiversitySnapshots.Add(ctx, 1)
	valid := s.Validate(d.config.MaxGenes)
	for _, validity := range population.Validities() {
		count := valid.Counts[validity]
		e.put(s, semconv.PopulationIndividuals, semconv.AttrIndividualValidity, validity, float64(count))
		if count > 0 && validity != semconv.ValidityValid {
			d.telemetry.ProcessorDiversityInvalidIndividuals.Add(ctx, int64(count),
				metric.WithAttributes(attribute.String(semconv.AttrIndividualValidity, validity)))
		}
	}
	if valid.Genomes == nil {
		return
	}
	measures := measure.New(valid.Genomes, d.config.MaxComparisons)
	for _, name := range d.config.Measures {
		estimate, ok := measures.Compute(name)
		if !ok {
			continue
		}
		to := semconv.PopulationDiversity
		if measure.IsEffectiveNumber(name) {
			to = semconv.PopulationEffectiveSize
		}
		e.put(s, to, semconv.AttrDiversityMeasure, name, estimate.Value)
	}
	if len(valid.Fitness) == 0 {
		return
	}
	fitness := population.Describe(valid.Fitness)
	e.put(s, semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticMin, fitness.Min)
	e.put(s, semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticMean, fitness.Mean)
	e.put(s, semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticMax, fitness.Max)
	e.put(s, semconv.PopulationFitness, semconv.AttrStatistic, semconv.StatisticStddev, fitness.Stddev)
}

// dropIndividuals removes the individuals, and the scopes and resources that held
// nothing else. It tells whether there were any.
func dropIndividuals(request pmetric.Metrics) bool {
	dropped := false
	request.ResourceMetrics().RemoveIf(func(resource pmetric.ResourceMetrics) bool {
		scopes := resource.ScopeMetrics().Len()
		resource.ScopeMetrics().RemoveIf(func(scope pmetric.ScopeMetrics) bool {
			metrics := scope.Metrics().Len()
			scope.Metrics().RemoveIf(population.IsIndividuals)
			dropped = dropped || scope.Metrics().Len() < metrics
			return metrics > 0 && scope.Metrics().Len() == 0
		})
		return scopes > 0 && resource.ScopeMetrics().Len() == 0
	})
	return dropped
}
