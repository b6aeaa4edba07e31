package diversityprocessor

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/semconv"
)

// addIndividual adds a point; genome is anything that pcommon can hold.
func addIndividual(t *testing.T, scope pmetric.ScopeMetrics, run, island string, fitness float64, genome any) {
	t.Helper()
	var m pmetric.Metric
	if scope.Metrics().Len() == 0 || scope.Metrics().At(scope.Metrics().Len()-1).Name() != semconv.IndividualFitness.Name {
		m = scope.Metrics().AppendEmpty()
		m.SetName(semconv.IndividualFitness.Name)
		m.SetEmptyGauge()
	} else {
		m = scope.Metrics().At(scope.Metrics().Len() - 1)
	}
	point := m.Gauge().DataPoints().AppendEmpty()
	point.SetDoubleValue(fitness)
	point.SetTimestamp(7)
	islandKey(run, island).put(point.Attributes())
	if genome != nil {
		require.NoError(t, point.Attributes().PutEmpty(semconv.AttrIndividualGenome).FromRaw(genome))
	}
}

func islandKey(run, name string) island {
	return island{run: run, hasRun: run != "", name: name, hasName: name != ""}
}

func addSize(scope pmetric.ScopeMetrics, run, island string, size int64) {
	m := scope.Metrics().AppendEmpty()
	m.SetName(semconv.PopulationSize.Name)
	point := m.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetIntValue(size)
	islandKey(run, island).put(point.Attributes())
}

func newScope() (pmetric.Metrics, pmetric.ScopeMetrics) {
	request := pmetric.NewMetrics()
	return request, request.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
}

func numeric(genes ...any) []any { return genes }

func TestIndividualsBecomeMeasuresAndOtherMetricsStay(t *testing.T) {
	request, scope := newScope()
	request.ResourceMetrics().At(0).Resource().Attributes().PutStr(semconv.AttrServiceName, "loop")
	addSize(scope, "r", "a", 2)
	addIndividual(t, scope, "r", "a", 1, numeric(0.0, 0.0))
	addIndividual(t, scope, "r", "a", 3, numeric(1.0, 0.0))

	got := run(t, createDefaultConfig().(*Config), request)
	require.Equal(t, 1, got.ResourceMetrics().Len())
	name, _ := got.ResourceMetrics().At(0).Resource().Attributes().Get(semconv.AttrServiceName)
	assert.Equal(t, "loop", name.Str())
	names := map[string]bool{}
	eachMetric(got.ResourceMetrics().At(0), func(m pmetric.Metric) { names[m.Name()] = true })
	assert.Equal(t, map[string]bool{
		semconv.PopulationSize.Name: true, semconv.PopulationDiversity.Name: true, semconv.PopulationEffectiveSize.Name: true,
		semconv.PopulationIndividuals.Name: true, semconv.PopulationFitness.Name: true,
	}, names)
	assert.Equal(t, map[string]float64{
		semconv.MeasureMeanPairwiseDistance: 0.5, semconv.MeasureUniqueRatio: 1, semconv.MeasureEntropy: 1,
		semconv.MeasureHill1: 2, semconv.MeasurePolymorphicLociRatio: 0.5,
	}, byMeasure(got))
	assert.Equal(t, map[string]float64{"min": 1, "mean": 2, "max": 3, "stddev": 1},
		byAttribute(got, semconv.PopulationFitness.Name, semconv.AttrStatistic))
}

func TestRequestWithNothingElseIsNotPassedOnEmpty(t *testing.T) {
	request, scope := newScope()
	addSize(scope, "r", "", 3)
	scope.Metrics().RemoveIf(func(pmetric.Metric) bool { return true })
	addIndividual(t, scope, "r", "", 1, "a")
	assert.Positive(t, run(t, createDefaultConfig().(*Config), request).DataPointCount())

	request = pmetric.NewMetrics()
	assert.Zero(t, run(t, createDefaultConfig().(*Config), request).DataPointCount())
}

func TestIslandsAndRunsAreApart(t *testing.T) {
	request, scope := newScope()
	for _, key := range [][2]string{{"r1", "a"}, {"r1", "b"}, {"r2", "a"}, {"r3", ""}} {
		addIndividual(t, scope, key[0], key[1], 1, key[0]+key[1])
		addIndividual(t, scope, key[0], key[1], 1, key[0]+key[1])
	}
	got := run(t, createDefaultConfig().(*Config), request)
	collapsed := 0
	eachMetric(got.ResourceMetrics().At(0), func(m pmetric.Metric) {
		if m.Name() != semconv.PopulationDiversity.Name {
			return
		}
		for i := range m.Gauge().DataPoints().Len() {
			point := m.Gauge().DataPoints().At(i)
			if v, _ := point.Attributes().Get(semconv.AttrDiversityMeasure); v.Str() == semconv.MeasureMeanPairwiseDistance {
				assert.Zero(t, point.DoubleValue())
				collapsed++
			}
		}
	})
	assert.Equal(t, 4, collapsed)
}

func TestSplitSnapshotIsCountedAndNotMeasured(t *testing.T) {
	request, scope := newScope()
	addSize(scope, "r", "a", 3)
	addIndividual(t, scope, "r", "a", 1, "x")
	addIndividual(t, scope, "r", "a", 1, "y")
	got := run(t, createDefaultConfig().(*Config), request)
	assert.Empty(t, byMeasure(got))
	assert.Equal(t, 1, got.DataPointCount(), "the population size stays, the individuals go")
}

func TestMalformedIndividualsAreCountedAndLeftOut(t *testing.T) {
	request, scope := newScope()
	for _, genome := range []any{
		numeric(0.0, 0.5), numeric(1.0, 0.5), numeric(math.NaN(), 0.5), numeric(math.Inf(1), 0.5), numeric(0.5),
		numeric(2.0, 0.5), numeric(), nil, "a name", numeric(true, 0.5), map[string]any{"a": 1}, numeric("a", 0.5),
		numeric(0.1, 0.2, 0.3, 0.4),
	} {
		addIndividual(t, scope, "r", "", 1, genome)
	}
	config := createDefaultConfig().(*Config)
	config.MaxGenes = 3
	got := run(t, config, request)
	assert.Equal(t, map[string]float64{
		semconv.ValidityValid: 3, semconv.ValidityNonFinite: 2, semconv.ValidityLength: 1, semconv.ValidityEmpty: 1,
		semconv.ValidityMissing: 5, semconv.ValidityOutOfBounds: 1, semconv.ValidityLimit: 1,
	}, byAttribute(got, semconv.PopulationIndividuals.Name, semconv.AttrIndividualValidity))
	// 0, 1 and 2 clipped to 1: two of three pairs differ in one of two genes.
	assert.InDelta(t, 1.0/3, byMeasure(got)[semconv.MeasureMeanPairwiseDistance], 1e-15)
}

func TestWholeNumbersAmongDoublesAreNumeric(t *testing.T) {
	request, scope := newScope()
	addIndividual(t, scope, "r", "", 1, numeric(int64(0), 0.5))
	addIndividual(t, scope, "r", "", 1, numeric(int64(1), 0.5))
	got := run(t, createDefaultConfig().(*Config), request)
	assert.InDelta(t, 0.5, byMeasure(got)[semconv.MeasureMeanPairwiseDistance], 0)
}

func TestTooManyIndividualsAreCounted(t *testing.T) {
	request, scope := newScope()
	for range 5 {
		addIndividual(t, scope, "r", "", 1, "x")
	}
	config := createDefaultConfig().(*Config)
	config.MaxIndividuals = 3
	counts := byAttribute(run(t, config, request), semconv.PopulationIndividuals.Name, semconv.AttrIndividualValidity)
	assert.InDelta(t, 3, counts[semconv.ValidityValid], 0)
	assert.InDelta(t, 2, counts[semconv.ValidityLimit], 0)
}

func TestOtherTypesOfThatNamePassUntouched(t *testing.T) {
	request, scope := newScope()
	m := scope.Metrics().AppendEmpty()
	m.SetName(semconv.IndividualFitness.Name)
	m.SetEmptySum().DataPoints().AppendEmpty().SetIntValue(3)
	want := pmetric.NewMetrics()
	request.CopyTo(want)
	assert.Equal(t, want, run(t, createDefaultConfig().(*Config), request))
}

func TestKeepIndividuals(t *testing.T) {
	request, scope := newScope()
	addIndividual(t, scope, "r", "", 1, "x")
	config := createDefaultConfig().(*Config)
	config.KeepIndividuals = true
	assert.Contains(t, byAttribute(run(t, config, request), semconv.IndividualFitness.Name, semconv.AttrIndividualGenome), "x")
}

func FuzzProcess(f *testing.F) {
	request, scope := newScope()
	m := scope.Metrics().AppendEmpty()
	m.SetName(semconv.IndividualFitness.Name)
	for _, genome := range []any{"x", []any{1.5, 2.5}, []any{int64(1)}, []any{"a"}, []any{}, map[string]any{}} {
		point := m.SetEmptyGauge().DataPoints().AppendEmpty()
		if err := point.Attributes().PutEmpty(semconv.AttrIndividualGenome).FromRaw(genome); err != nil {
			f.Fatal(err)
		}
		bytes, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes)
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		request, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(bytes)
		if err != nil {
			return
		}
		sink := &consumertest.MetricsSink{}
		p, err := NewFactory().CreateMetrics(context.Background(), processortest.NewNopSettings(metadata.Type), createDefaultConfig(), sink)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.ConsumeMetrics(context.Background(), request); err != nil {
			t.Fatal(err)
		}
		for _, got := range sink.AllMetrics() {
			for name, value := range byAttribute(got, semconv.PopulationDiversity.Name, semconv.AttrDiversityMeasure) {
				if !(value >= 0 && value <= 1) && isMeasure(got) {
					t.Fatalf("%s is %v, outside [0,1]", name, value)
				}
			}
		}
	})
}

// isMeasure is false for a request that itself claims to hold diversities.
func isMeasure(m pmetric.Metrics) bool {
	ours := true
	for i := range m.ResourceMetrics().Len() {
		scopes := m.ResourceMetrics().At(i).ScopeMetrics()
		for j := range scopes.Len() {
			for k := range scopes.At(j).Metrics().Len() {
				if scopes.At(j).Metrics().At(k).Name() == semconv.PopulationDiversity.Name && scopes.At(j).Scope().Name() != metadata.ScopeName {
					ours = false
				}
			}
		}
	}
	return ours
}
