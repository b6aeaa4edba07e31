package diversityprocessor

import (
	"context"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadatatest"
	"github.com/evotel/evotel/semconv"
)

// individual describes a point; genome is anything that pcommon can hold.
type individual struct {
	run, island, id string
	fitness         float64
	genome          any
	timestamp       pcommon.Timestamp
	stale           bool
}

func add(t testing.TB, scope pmetric.ScopeMetrics, individuals ...individual) {
	t.Helper()
	m := scope.Metrics().AppendEmpty()
	m.SetName(semconv.IndividualFitness.Name)
	points := m.SetEmptyGauge().DataPoints()
	for _, one := range individuals {
		point := points.AppendEmpty()
		point.SetDoubleValue(one.fitness)
		point.SetTimestamp(one.timestamp)
		point.SetFlags(point.Flags().WithNoRecordedValue(one.stale))
		name(point.Attributes(), one.run, one.island)
		if one.id != "" {
			point.Attributes().PutStr(semconv.AttrIndividualID, one.id)
		}
		if one.genome != nil {
			require.NoError(t, point.Attributes().PutEmpty(semconv.AttrIndividualGenome).FromRaw(one.genome))
		}
	}
}

func name(attributes pcommon.Map, run, island string) {
	if run != "" {
		attributes.PutStr(semconv.AttrRunID, run)
	}
	if island != "" {
		attributes.PutStr(semconv.AttrIsland, island)
	}
}

// clones are n individuals without ids.
func clones(n int, genome any) []individual {
	all := make([]individual, n)
	for i := range all {
		all[i] = individual{run: "r", genome: genome}
	}
	return all
}

// addSize tells the size of an island of the run r.
func addSize(scope pmetric.ScopeMetrics, island string, size int64) {
	m := scope.Metrics().AppendEmpty()
	m.SetName(semconv.PopulationSize.Name)
	point := m.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetIntValue(size)
	name(point.Attributes(), "r", island)
}

func newScope() (pmetric.Metrics, pmetric.ScopeMetrics) {
	request := pmetric.NewMetrics()
	return request, request.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
}

func array(genes ...any) []any { return genes }

func defaults() *Config { return createDefaultConfig().(*Config) }

func validities(m pmetric.Metrics) map[string]float64 {
	counts := byAttribute(m, semconv.PopulationIndividuals.Name, semconv.AttrIndividualValidity)
	for validity, count := range counts {
		if count == 0 {
			delete(counts, validity)
		}
	}
	return counts
}

func TestIndividualsBecomeMeasuresAndOtherMetricsStay(t *testing.T) {
	request, scope := newScope()
	request.ResourceMetrics().At(0).Resource().Attributes().PutStr(semconv.AttrServiceName, "loop")
	addSize(scope, "a", 2)
	add(t, scope,
		individual{run: "r", island: "a", fitness: 1, genome: array(0.0, 0.0), timestamp: 7},
		individual{run: "r", island: "a", fitness: 3, genome: array(1.0, 0.0), timestamp: 7})

	got := run(t, defaults(), request)
	require.Equal(t, 1, got.ResourceMetrics().Len())
	service, _ := got.ResourceMetrics().At(0).Resource().Attributes().Get(semconv.AttrServiceName)
	assert.Equal(t, "loop", service.Str())
	names := map[string]bool{}
	for _, m := range metrics(got) {
		names[m.Name()] = true
		for _, point := range m.Gauge().DataPoints().All() {
			run, _ := point.Attributes().Get(semconv.AttrRunID)
			island, _ := point.Attributes().Get(semconv.AttrIsland)
			assert.Equal(t, "r a", run.Str()+" "+island.Str())
		}
	}
	assert.Equal(t, map[string]bool{
		semconv.PopulationSize.Name: true, semconv.PopulationDiversity.Name: true, semconv.PopulationEffectiveSize.Name: true,
		semconv.PopulationIndividuals.Name: true, semconv.PopulationFitness.Name: true,
	}, names)
	assert.Equal(t, map[string]float64{
		semconv.MeasureMeanPairwiseDistance: 0.5, semconv.MeasureUniqueRatio: 1, semconv.MeasureEntropy: 1,
		semconv.MeasureHill1: 2, semconv.MeasureVendi2: 1.6, semconv.MeasurePolymorphicLociRatio: 0.5,
	}, byMeasure(got))
	assert.Equal(t, map[string]float64{"min": 1, "mean": 2, "max": 3, "stddev": 1},
		byAttribute(got, semconv.PopulationFitness.Name, semconv.AttrStatistic))
	assert.Len(t, byAttribute(got, semconv.PopulationIndividuals.Name, semconv.AttrIndividualValidity), 7, "zeros are reported")
}

func TestMeasuresAreAtTheTimeOfTheIndividuals(t *testing.T) {
	request, scope := newScope()
	add(t, scope, individual{genome: "x", timestamp: 3}, individual{genome: "x", timestamp: 3})
	for _, m := range metrics(run(t, defaults(), request)) {
		for _, point := range m.Gauge().DataPoints().All() {
			assert.Equal(t, pcommon.Timestamp(3), point.Timestamp())
		}
	}
}

func TestIslandsRunsAndResourcesAreApart(t *testing.T) {
	request := pmetric.NewMetrics()
	for _, service := range []string{"one", "two"} {
		resource := request.ResourceMetrics().AppendEmpty()
		resource.Resource().Attributes().PutStr(semconv.AttrServiceName, service)
		scope := resource.ScopeMetrics().AppendEmpty()
		for _, key := range [][2]string{{"r1", "a"}, {"r1", "b"}, {"r2", "a"}, {"r3", ""}, {"", "a"}} {
			clone := individual{run: key[0], island: key[1], genome: service + key[0] + key[1]}
			add(t, scope, clone, clone)
		}
	}
	collapsed := 0
	for _, m := range metrics(run(t, defaults(), request)) {
		if m.Name() != semconv.PopulationDiversity.Name {
			continue
		}
		for _, point := range m.Gauge().DataPoints().All() {
			if v, _ := point.Attributes().Get(semconv.AttrDiversityMeasure); v.Str() == semconv.MeasureMeanPairwiseDistance {
				assert.Zero(t, point.DoubleValue())
				collapsed++
			}
		}
	}
	assert.Equal(t, 10, collapsed)
}

func TestResourceWrittenTwiceIsOne(t *testing.T) {
	request := pmetric.NewMetrics()
	for _, genome := range []string{"x", "y"} {
		resource := request.ResourceMetrics().AppendEmpty()
		resource.Resource().Attributes().PutStr("a", "1")
		resource.Resource().Attributes().PutInt("b", 2)
		scope := resource.ScopeMetrics().AppendEmpty()
		add(t, scope, individual{run: "r", genome: genome}, individual{run: "r", genome: "z"})
		if genome == "x" {
			addSize(scope, "", 4)
		}
	}
	got := run(t, defaults(), request)
	assert.Equal(t, 1, got.ResourceMetrics().Len(), "the second held nothing else")
	assert.Equal(t, map[string]float64{semconv.ValidityValid: 4}, validities(got))
	assert.InDelta(t, 0.75, byMeasure(got)[semconv.MeasureUniqueRatio], 0)
}

// TestOddInput has the table of the README.
func TestOddInput(t *testing.T) {
	x, y := array(0.0, 0.5), array(1.0, 0.5)
	for _, test := range []struct {
		name        string
		individuals []individual
		size        int64 // not told if 0
		want        map[string]float64
		distance    float64 // -1 if there must be none
	}{
		{name: "no genome", individuals: []individual{{genome: x}, {}, {genome: y}},
			want: map[string]float64{"valid": 2, "missing": 1}, distance: 0.5},
		{name: "no genomes at all", individuals: []individual{{}, {}},
			want: map[string]float64{"missing": 2}, distance: -1},
		{name: "NaN and infinities", individuals: []individual{
			{genome: x}, {genome: array(math.NaN(), 0.5)}, {genome: array(math.Inf(1), 0.5)}, {genome: array(0.5, math.Inf(-1))}, {genome: y}},
			want: map[string]float64{"valid": 2, "non_finite": 3}, distance: 0.5},
		{name: "non-finite before length", individuals: []individual{{genome: x}, {genome: array(math.NaN())}},
			want: map[string]float64{"valid": 1, "non_finite": 1}, distance: -1},
		{name: "subnormals", individuals: []individual{{genome: array(0.0)}, {genome: array(5e-324)}},
			want: map[string]float64{"valid": 2}, distance: 5e-324},
		{name: "minus zero", individuals: []individual{{genome: array(0.0)}, {genome: array(math.Copysign(0, -1))}},
			want: map[string]float64{"valid": 2}, distance: 0},
		{name: "length that most have", individuals: []individual{{genome: array(0.5)}, {genome: x}, {genome: y}},
			want: map[string]float64{"valid": 2, "length": 1}, distance: 0.5},
		{name: "length seen first, of equally many", individuals: []individual{{genome: x}, {genome: array(0.5)}, {genome: array(0.7)}, {genome: y}},
			want: map[string]float64{"valid": 2, "length": 2}, distance: 0.5},
		{name: "non-finite ones have no say in the length", individuals: []individual{{genome: array(math.NaN())}, {genome: array(math.NaN())}, {genome: x}, {genome: y}},
			want: map[string]float64{"valid": 2, "non_finite": 2}, distance: 0.5},
		{name: "empty arrays among numbers", individuals: []individual{{genome: array()}, {genome: array()}, {genome: array()}, {genome: x}, {genome: y}},
			want: map[string]float64{"valid": 2, "empty": 3}, distance: 0.5},
		{name: "empty array among categories", individuals: []individual{{genome: array()}, {genome: array(int64(1))}, {genome: array(int64(2))}},
			want: map[string]float64{"valid": 2, "empty": 1}, distance: 1},
		{name: "empty token sets", individuals: []individual{{genome: array()}, {genome: array("a")}, {genome: array()}},
			want: map[string]float64{"valid": 3}, distance: 2.0 / 3},
		{name: "only empty arrays", individuals: []individual{{genome: array()}, {genome: array()}},
			want: map[string]float64{"valid": 2}, distance: 0},
		{name: "empty string", individuals: []individual{{genome: ""}, {genome: "a"}, {genome: "b"}},
			want: map[string]float64{"valid": 2, "empty": 1}, distance: 1},
		{name: "out of bounds", individuals: []individual{{genome: array(-0.5)}, {genome: array(1.5)}, {genome: array(1.0)}},
			want: map[string]float64{"valid": 3, "out_of_bounds": 2}, distance: 2.0 / 3},
		{name: "huge genes", individuals: []individual{{genome: array(-math.MaxFloat64)}, {genome: array(math.MaxFloat64)}},
			want: map[string]float64{"valid": 2, "out_of_bounds": 2}, distance: 1},
		{name: "kind that most have", individuals: []individual{{genome: "name"}, {genome: x}, {genome: y}, {genome: array("t")}},
			want: map[string]float64{"valid": 2, "missing": 2}, distance: 0.5},
		{name: "kind seen first, of equally many", individuals: []individual{{genome: "name"}, {genome: x}, {genome: y}, {genome: "name"}},
			want: map[string]float64{"valid": 2, "missing": 2}, distance: 0},
		{name: "types that are no genome", individuals: []individual{{genome: x}, {genome: y},
			{genome: 0.5}, {genome: int64(1)}, {genome: true}, {genome: []byte("ab")}, {genome: map[string]any{"a": 1}},
			{genome: array(true, 0.5)}, {genome: array("a", 0.5)}, {genome: array(array(0.5), array(0.5))}},
			want: map[string]float64{"valid": 2, "missing": 8}, distance: 0.5},
		{name: "integers among doubles", individuals: []individual{{genome: array(int64(0), 0.5)}, {genome: array(int64(1), 0.5)}, {genome: array(int64(0), int64(0))}},
			want: map[string]float64{"valid": 3}, distance: 0.5},
		{name: "booleans and integers", individuals: []individual{{genome: array(true, false)}, {genome: array(int64(1), int64(0))}},
			want: map[string]float64{"valid": 2}, distance: 0},
		{name: "too long", individuals: []individual{{genome: array(1, 2, 3, 4)}, {genome: array(1, 2)}, {genome: array(1, 3)}},
			want: map[string]float64{"valid": 2, "limit": 1}, distance: 0.5},
		{name: "too many", individuals: clones(25, "x"),
			want: map[string]float64{"valid": 10, "limit": 15}, distance: 0},
		{name: "ids that are not unique", individuals: []individual{{id: "h", genome: x}, {id: "h", genome: x}, {id: "k", genome: y}}, size: 3,
			want: map[string]float64{"valid": 3}, distance: 1.0 / 3},
		{name: "points sent twice", individuals: []individual{{id: "1", genome: x}, {id: "2", genome: y}, {id: "1", genome: x}, {id: "2", genome: y}}, size: 2,
			want: map[string]float64{"valid": 2}, distance: 0.5},
		{name: "same ids and other genomes", individuals: []individual{{id: "1", genome: x}, {id: "1", genome: y}}, size: 1,
			want: map[string]float64{}, distance: -1},
		{name: "NoRecordedValue", individuals: []individual{{genome: x}, {genome: "z", stale: true}, {genome: y}},
			want: map[string]float64{"valid": 2}, distance: 0.5},
		{name: "only NoRecordedValue", individuals: []individual{{genome: x, stale: true}},
			want: map[string]float64{}, distance: -1},
		{name: "old points next to new ones, size told", individuals: []individual{{genome: x, timestamp: 1}, {genome: x, timestamp: 2}, {genome: y, timestamp: 2}}, size: 2,
			want: map[string]float64{"valid": 2}, distance: 0.5},
		{name: "old points next to new ones, size not told", individuals: []individual{{genome: x, timestamp: 1}, {genome: x, timestamp: 2}, {genome: y, timestamp: 2}},
			want: map[string]float64{"valid": 2}, distance: 0.5},
		{name: "each its own time, size told", individuals: []individual{{genome: x, timestamp: 1}, {genome: x, timestamp: 2}, {genome: y, timestamp: 2}}, size: 3,
			want: map[string]float64{"valid": 3}, distance: 1.0 / 3},
		{name: "each its own time, size not told", individuals: []individual{{genome: x, timestamp: 1}, {genome: y, timestamp: 2}},
			want: map[string]float64{"valid": 2}, distance: 0.5},
		{name: "part of a snapshot", individuals: []individual{{genome: x}, {genome: y}}, size: 3,
			want: map[string]float64{}, distance: -1},
		{name: "more than the size", individuals: []individual{{genome: x}, {genome: y}, {genome: y}}, size: 2,
			want: map[string]float64{}, distance: -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, scope := newScope()
			for i := range test.individuals {
				test.individuals[i].run = "r"
			}
			add(t, scope, test.individuals...)
			if test.size > 0 {
				addSize(scope, "", test.size)
			}
			config := defaults()
			config.MaxGenes, config.MaxIndividuals = 3, 10
			got := run(t, config, request)
			assert.Equal(t, test.want, validities(got))
			distance, ok := byMeasure(got)[semconv.MeasureMeanPairwiseDistance]
			if test.distance < 0 {
				assert.False(t, ok, "%v", distance)
				return
			}
			require.True(t, ok)
			assert.InDelta(t, test.distance, distance, 1e-15)
		})
	}
}

func TestOfTooManyASampleIsMeasured(t *testing.T) {
	for order, cluster := range map[string]func(i int) int{
		"one cluster after the other": func(i int) int { return i / 500 },
		"in turn":                     func(i int) int { return i % 2 },
	} {
		t.Run(order, func(t *testing.T) {
			request, scope := newScope()
			var individuals []individual
			for i := range 1000 {
				individuals = append(individuals, individual{genome: strconv.Itoa(cluster(i))})
			}
			add(t, scope, individuals...)
			config := defaults()
			config.MaxIndividuals = 100
			got := run(t, config, request)
			assert.Equal(t, map[string]float64{"valid": 100, "limit": 900}, validities(got))
			assert.InDelta(t, 2, byMeasure(got)[semconv.MeasureHill1], 0.1)
		})
	}
}

func TestFitness(t *testing.T) {
	request, scope := newScope()
	individuals := []individual{{fitness: 1}, {fitness: 3}, {fitness: math.NaN()}, {fitness: math.Inf(1)}}
	for i := range individuals {
		individuals[i].genome = "x"
	}
	individuals = append(individuals, individual{fitness: 100}) // not valid
	add(t, scope, individuals...)
	noValue := scope.Metrics().At(0).Gauge().DataPoints().AppendEmpty()
	noValue.Attributes().PutStr(semconv.AttrIndividualGenome, "x")
	got := run(t, defaults(), request)
	assert.Equal(t, map[string]float64{"min": 1, "mean": 2, "max": 3, "stddev": 1}, byAttribute(got, semconv.PopulationFitness.Name, semconv.AttrStatistic))
	assert.Equal(t, map[string]float64{"valid": 5, "missing": 1}, validities(got))
}

// telemetry is a processor with what it logs and counts of itself.
func telemetry(t *testing.T) (*componenttest.Telemetry, *observer.ObservedLogs, func(pmetric.Metrics) pmetric.Metrics) {
	own := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, own.Shutdown(context.Background())) })
	settings := processortest.NewNopSettings(metadata.Type)
	settings.TelemetrySettings = own.NewTelemetrySettings()
	core, logs := observer.New(zap.WarnLevel)
	settings.Logger = zap.New(core)
	settings.ID = component.NewID(metadata.Type)
	sink := &consumertest.MetricsSink{}
	p, err := NewFactory().CreateMetrics(context.Background(), settings, defaults(), sink)
	require.NoError(t, err)
	return own, logs, func(request pmetric.Metrics) pmetric.Metrics {
		sink.Reset()
		require.NoError(t, p.ConsumeMetrics(context.Background(), request))
		if all := sink.AllMetrics(); len(all) > 0 {
			return all[0]
		}
		return pmetric.NewMetrics()
	}
}

// A batch processor with a greatest size sends the size with one part only, which
// may hold no individuals.
func TestNoPartOfASplitSnapshotIsMeasured(t *testing.T) {
	x, y := individual{run: "r", island: "a", genome: "x"}, individual{run: "r", island: "a", genome: "y"}
	for name, withSize := range map[string][]individual{"size with some individuals": {x, y}, "size without individuals": nil} {
		t.Run(name, func(t *testing.T) {
			own, logs, process := telemetry(t)
			parts := int64(0)
			for range 3 {
				first, scope := newScope()
				addSize(scope, "a", 5)
				if withSize != nil {
					parts++
					add(t, scope, withSize...)
				}
				second, scope := newScope()
				add(t, scope, x, x, y)
				parts++

				got := process(first)
				assert.Empty(t, byMeasure(got))
				assert.Equal(t, 1, got.DataPointCount(), "the population size stays, the individuals go")
				assert.Zero(t, process(second).DataPointCount())
			}
			assert.Equal(t, 1, logs.Len(), "once a run")
			metadatatest.AssertEqualProcessorDiversityIncompleteSnapshots(t, own,
				[]metricdata.DataPoint[int64]{{Value: parts}}, metricdatatest.IgnoreTimestamp())
		})
	}
}

func TestOwnTelemetry(t *testing.T) {
	own, _, process := telemetry(t)
	request, scope := newScope()
	add(t, scope, individual{genome: "x"}, individual{genome: ""}, individual{}, individual{}, individual{island: "other"})
	process(request)
	ignore := metricdatatest.IgnoreTimestamp()
	metadatatest.AssertEqualProcessorDiversitySnapshots(t, own, []metricdata.DataPoint[int64]{{Value: 2}}, ignore)
	reason := func(validity string, n int64) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Value: n, Attributes: attribute.NewSet(attribute.String(semconv.AttrIndividualValidity, validity))}
	}
	metadatatest.AssertEqualProcessorDiversityInvalidIndividuals(t, own,
		[]metricdata.DataPoint[int64]{reason("empty", 1), reason("missing", 3)}, ignore)
	metadatatest.AssertEqualProcessorDiversityDuration(t, own,
		[]metricdata.HistogramDataPoint[float64]{{}}, ignore, metricdatatest.IgnoreValue())

	process(pmetric.NewMetrics())
	duration, err := own.GetMetric("otelcol_processor_diversity_duration")
	require.NoError(t, err)
	assert.Equal(t, uint64(1), duration.Data.(metricdata.Histogram[float64]).DataPoints[0].Count, "nothing to measure, no duration")
}

func TestOtherTypesOfThatNamePassWithAWarning(t *testing.T) {
	_, logs, process := telemetry(t)
	for range 2 {
		request, scope := newScope()
		for _, set := range []func(pmetric.Metric){
			func(m pmetric.Metric) {
				m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
				m.Sum().DataPoints().AppendEmpty().SetIntValue(3)
			},
			func(m pmetric.Metric) { m.SetEmptyHistogram().DataPoints().AppendEmpty().SetCount(3) },
			func(m pmetric.Metric) { m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty().SetCount(3) },
			func(m pmetric.Metric) { m.SetEmptySummary().DataPoints().AppendEmpty().SetCount(3) },
			func(pmetric.Metric) {},
		} {
			m := scope.Metrics().AppendEmpty()
			m.SetName(semconv.IndividualFitness.Name)
			set(m)
		}
		want := pmetric.NewMetrics()
		request.CopyTo(want)
		assert.Equal(t, marshal(t, want), marshal(t, process(request)))
	}
	assert.Equal(t, 5, logs.Len(), "once a type")
}

func marshal(t testing.TB, m pmetric.Metrics) string {
	t.Helper()
	bytes, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(m)
	require.NoError(t, err)
	return string(bytes)
}

func TestEverythingElsePassesToTheByte(t *testing.T) {
	request := pmetric.NewMetrics()
	request.ResourceMetrics().AppendEmpty().SetSchemaUrl("of an empty resource")
	resource := request.ResourceMetrics().AppendEmpty()
	resource.SetSchemaUrl("schema")
	resource.Resource().Attributes().PutStr("a", "b")
	resource.ScopeMetrics().AppendEmpty().Scope().SetName("empty")
	scope := resource.ScopeMetrics().AppendEmpty()
	scope.SetSchemaUrl("schema")
	scope.Scope().SetVersion("1")
	scope.Scope().Attributes().PutInt("c", 1)
	histogram := scope.Metrics().AppendEmpty()
	histogram.SetName("h")
	histogram.Metadata().PutStr("d", "e")
	point := histogram.SetEmptyHistogram().DataPoints().AppendEmpty()
	point.ExplicitBounds().FromRaw([]float64{1, 2})
	point.BucketCounts().FromRaw([]uint64{1, 2, 3})
	point.Exemplars().AppendEmpty().SetDoubleValue(math.NaN())
	addSize(scope, "", 2)
	want := marshal(t, request)

	add(t, scope, clones(2, "x")...)
	got := run(t, defaults(), request)
	for _, resource := range got.ResourceMetrics().All() {
		resource.ScopeMetrics().RemoveIf(func(scope pmetric.ScopeMetrics) bool { return scope.Scope().Name() == metadata.ScopeName })
	}
	assert.Equal(t, want, marshal(t, got))
}

func TestIslandsThatVanishLeaveNothing(t *testing.T) {
	_, _, process := telemetry(t)
	both, scope := newScope()
	addSize(scope, "a", 1)
	addSize(scope, "b", 1)
	add(t, scope, individual{run: "r", island: "a", genome: "x"}, individual{run: "r", island: "b", genome: "x"})
	islands := func(m pmetric.Metrics) map[string]float64 {
		return byAttribute(m, semconv.PopulationIndividuals.Name, semconv.AttrIsland)
	}
	assert.Len(t, islands(process(both)), 2)
	one, scope := newScope()
	addSize(scope, "a", 1)
	addSize(scope, "b", 0)
	add(t, scope, individual{run: "r", island: "a", genome: "x"})
	assert.Len(t, islands(process(one)), 1)
}

func TestKeepIndividuals(t *testing.T) {
	request, scope := newScope()
	add(t, scope, individual{genome: "x"})
	config := defaults()
	config.KeepIndividuals = true
	assert.Contains(t, byAttribute(run(t, config, request), semconv.IndividualFitness.Name, semconv.AttrIndividualGenome), "x")
}

func TestAMillionIndividuals(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a gigabyte")
	}
	request, scope := newScope()
	m := scope.Metrics().AppendEmpty()
	m.SetName(semconv.IndividualFitness.Name)
	points := m.SetEmptyGauge().DataPoints()
	points.EnsureCapacity(1_000_000)
	for i := range 1_000_000 {
		points.AppendEmpty().Attributes().PutStr(semconv.AttrIndividualGenome, strconv.Itoa(i%10))
	}
	got := run(t, defaults(), request)
	assert.Equal(t, map[string]float64{"valid": 20_000, "limit": 980_000}, validities(got))
	assert.InDelta(t, 10, byMeasure(got)[semconv.MeasureHill1], 0.02)
}

func TestAHundredThousandGenes(t *testing.T) {
	request, scope := newScope()
	zeros, ones := make([]any, 100_000), make([]any, 100_000)
	for i := range zeros {
		zeros[i], ones[i] = 0.0, 1.0
	}
	add(t, scope, individual{genome: zeros}, individual{genome: ones}, individual{genome: append(ones, 1.0)})
	config := defaults()
	config.Measures = measure.All()
	got := run(t, config, request)
	assert.Equal(t, map[string]float64{"valid": 2, "limit": 1}, validities(got))
	assert.InDelta(t, 1, byMeasure(got)[semconv.MeasureMeanPairwiseDistance], 0)
	assert.InDelta(t, 2, byMeasure(got)[semconv.MeasureVendi1], 1e-12)
}
