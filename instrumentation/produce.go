package instrumentation

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelscope "go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/semconv"
)

// scopeName is the instrumentation scope of everything that the library reports
// itself.
const scopeName = "github.com/evotel/evotel/instrumentation"

// Produce makes the metrics of all runs and of the process and its host. It
// makes Monitor an OpenTelemetry metric.Producer, for a reader of one's own.
//
// A Producer rather than instruments of the SDK, because series must exist at 0
// before their first event, because the SDK would merge individuals of the same
// id, and because it costs less.
func (m *Monitor) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	if m == nil {
		return nil, nil
	}
	now := time.Now()
	var p points
	for _, r := range m.currentRuns() {
		p.addRun(r, now)
	}
	return []metricdata.ScopeMetrics{{
		Scope:   otelscope.Scope{Name: scopeName},
		Metrics: append(p.metrics(), m.resources.metrics(now)...),
	}}, nil
}

// points collects the points of all runs, metric by metric.
type points struct {
	iterationCurrent, evaluationActive, championIteration, populationSize, runState []metricdata.DataPoint[int64]
	evaluationAge, championFitness, individuals                                     []metricdata.DataPoint[float64]
	iterations, evaluations                                                         []metricdata.HistogramDataPoint[float64]
}

func (p *points) addRun(r *Run, now time.Time) {
	id := attribute.String(semconv.AttrRunID, r.id)
	with := func(attrs ...attribute.KeyValue) attribute.Set { return attribute.NewSet(append(attrs, id)...) }
	integer := func(v int64, attrs ...attribute.KeyValue) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Attributes: with(attrs...), Time: now, Value: v}
	}
	float := func(v float64) metricdata.DataPoint[float64] {
		return metricdata.DataPoint[float64]{Attributes: with(), Time: now, Value: v}
	}

	r.mu.Lock()
	current, championIteration, championFitness, championKnown := r.current, r.championIteration, r.championFitness, r.championKnown
	state, failures := r.state, maps.Clone(r.iterationFailures)
	r.mu.Unlock()

	p.iterationCurrent = append(p.iterationCurrent, integer(current))
	p.championIteration = append(p.championIteration, integer(championIteration))
	if championKnown {
		p.championFitness = append(p.championFitness, float(championFitness))
	}
	for _, s := range []string{semconv.RunRunning, semconv.RunCompleted, semconv.RunFailed} {
		var v int64
		if s == state {
			v = 1
		}
		p.runState = append(p.runState, integer(v, attribute.String(semconv.AttrRunState, s)))
	}

	success, failure := attribute.String(semconv.AttrIterationOutcome, semconv.OutcomeSuccess), attribute.String(semconv.AttrIterationOutcome, semconv.OutcomeFailure)
	p.iterations = append(p.iterations,
		r.iterationSuccess.point(with(success), r.started, now),
		r.iterationFailure.point(with(failure), r.started, now))
	for _, kind := range slices.Sorted(maps.Keys(failures)) {
		p.iterations = append(p.iterations, failures[kind].point(with(failure, attribute.String(semconv.AttrErrorType, kind)), r.started, now))
	}

	for i, outcome := range evaluationOutcomes {
		p.evaluations = append(p.evaluations,
			r.evaluationOutcomes[i].point(with(attribute.String(semconv.AttrEvaluationOutcome, outcome)), r.started, now))
	}
	active, oldest := r.evaluations.count()
	var age float64
	if active > 0 {
		age = max(now.Sub(oldest).Seconds(), 0)
	}
	p.evaluationActive = append(p.evaluationActive, integer(int64(active)))
	p.evaluationAge = append(p.evaluationAge, float(age))

	islands, done := r.readIslands()
	defer done()
	for _, s := range islands {
		var attrs []attribute.KeyValue
		if s.island != "" {
			attrs = append(attrs, attribute.String(semconv.AttrIsland, name(s.island)))
		}
		p.populationSize = append(p.populationSize, integer(int64(s.size), attrs...))
		p.individuals = slices.Grow(p.individuals, len(s.members))
		p.individuals = s.appendPoints(p.individuals, r.id, now)
	}
}

func (p *points) metrics() []metricdata.Metrics {
	var out []metricdata.Metrics
	out = appendGauge(out, semconv.IterationCurrent, p.iterationCurrent)
	out = appendHistogram(out, semconv.IterationDuration, p.iterations)
	out = appendHistogram(out, semconv.EvaluationDuration, p.evaluations)
	out = appendGauge(out, semconv.EvaluationActive, p.evaluationActive)
	out = appendGauge(out, semconv.EvaluationActiveAgeMax, p.evaluationAge)
	out = appendGauge(out, semconv.ChampionIteration, p.championIteration)
	out = appendGauge(out, semconv.ChampionFitness, p.championFitness)
	out = appendGauge(out, semconv.PopulationSize, p.populationSize)
	out = appendGauge(out, semconv.IndividualFitness, p.individuals)
	out = appendGauge(out, semconv.RunState, p.runState)
	return out
}

func appendGauge[N int64 | float64](to []metricdata.Metrics, c semconv.Metric, points []metricdata.DataPoint[N]) []metricdata.Metrics {
	if len(points) == 0 {
		return to
	}
	return append(to, metricdata.Metrics{Name: c.Name, Unit: c.Unit, Description: c.Description, Data: metricdata.Gauge[N]{DataPoints: points}})
}

// appendSum appends a Counter or an UpDownCounter.
func appendSum[N int64 | float64](to []metricdata.Metrics, c semconv.Metric, points []metricdata.DataPoint[N]) []metricdata.Metrics {
	if len(points) == 0 {
		return to
	}
	return append(to, metricdata.Metrics{Name: c.Name, Unit: c.Unit, Description: c.Description, Data: metricdata.Sum[N]{
		Temporality: metricdata.CumulativeTemporality, IsMonotonic: c.Instrument == semconv.Counter, DataPoints: points,
	}})
}

func appendHistogram(to []metricdata.Metrics, c semconv.Metric, points []metricdata.HistogramDataPoint[float64]) []metricdata.Metrics {
	if len(points) == 0 {
		return to
	}
	return append(to, metricdata.Metrics{Name: c.Name, Unit: c.Unit, Description: c.Description, Data: metricdata.Histogram[float64]{
		Temporality: metricdata.CumulativeTemporality, DataPoints: points,
	}})
}
