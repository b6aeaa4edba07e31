package instrumentation_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/semconv"
)

// collected are the metrics of one collection, by name.
type collected map[string]metricdata.Metrics

// monitor starts a monitor that exports nowhere, and returns a function that
// collects from it.
func monitor(t testing.TB, opts ...instrumentation.Option) (*instrumentation.Monitor, func() collected) {
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	var reader *sdkmetric.ManualReader
	opts = append([]instrumentation.Option{
		instrumentation.WithResourceMonitor(false),
		instrumentation.WithReader(func(p sdkmetric.Producer) sdkmetric.Reader {
			reader = sdkmetric.NewManualReader(sdkmetric.WithProducer(p))
			return reader
		}),
	}, opts...)
	m := instrumentation.Start(t.Context(), opts...)
	t.Cleanup(func() { m.Shutdown(context.Background()) })
	return m, func() collected {
		var rm metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &rm))
		c := collected{}
		for _, scope := range rm.ScopeMetrics {
			for _, metric := range scope.Metrics {
				require.NotContains(t, c, metric.Name, "a metric stands once in a scope")
				c[metric.Name] = metric
			}
		}
		return c
	}
}

// series are a metric's values by their attributes, without the run's id; a
// histogram's value is its count.
func (c collected) series(t testing.TB, m semconv.Metric) map[string]float64 {
	out := map[string]float64{}
	add := func(set attribute.Set, v float64) {
		rest, _ := set.Filter(func(kv attribute.KeyValue) bool { return kv.Key != semconv.AttrRunID })
		key := rest.Encoded(attribute.DefaultEncoder())
		require.NotContains(t, out, key)
		out[key] = v
	}
	switch data := c[m.Name].Data.(type) {
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Value)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Count))
		}
	}
	return out
}

// individuals are the points of the population.
func (c collected) individuals() []metricdata.DataPoint[float64] {
	data, _ := c[semconv.IndividualFitness.Name].Data.(metricdata.Gauge[float64])
	return data.DataPoints
}

func TestEveryMetricOfTheConventionsIsReported(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run(instrumentation.WithRunID("r1"))
	run.Iteration().End(errors.New("no"))
	run.Champion(1)
	run.Population("i", []instrumentation.Individual{{ID: "a", Genome: instrumentation.Identity("x")}})
	got := collect()
	for _, want := range semconv.All() {
		if want.Source != semconv.SourceLoop {
			continue
		}
		metric, ok := got[want.Name]
		require.True(t, ok, want.Name)
		delete(got, want.Name)
		assert.Equal(t, want.Unit, metric.Unit)
		assert.Equal(t, want.Description, metric.Description)
		var sets []attribute.Set
		kind := semconv.Gauge
		switch data := metric.Data.(type) {
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				sets = append(sets, p.Attributes)
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				sets = append(sets, p.Attributes)
			}
		case metricdata.Histogram[float64]:
			kind = semconv.Histogram
			assert.Equal(t, metricdata.CumulativeTemporality, data.Temporality)
			for _, p := range data.DataPoints {
				sets = append(sets, p.Attributes)
			}
		}
		assert.Equal(t, want.Instrument, kind, want.Name)
		require.NotEmpty(t, sets, want.Name)
		for _, set := range sets {
			id, _ := set.Value(semconv.AttrRunID)
			assert.Equal(t, "r1", id.AsString(), want.Name)
			for _, kv := range set.ToSlice() {
				assert.Contains(t, append(want.Attributes, semconv.AttrRunID), string(kv.Key), want.Name)
			}
		}
	}
	assert.Empty(t, got, "nothing but the conventions")
}

func TestSeriesExistBeforeTheirFirstEvent(t *testing.T) {
	m, collect := monitor(t)
	m.Run()
	got := collect()
	assert.Equal(t, map[string]float64{
		"evolution.iteration.outcome=success": 0, "evolution.iteration.outcome=failure": 0,
	}, got.series(t, semconv.IterationDuration))
	assert.Equal(t, map[string]float64{
		"evolution.evaluation.outcome=success": 0, "evolution.evaluation.outcome=failure": 0, "evolution.evaluation.outcome=timeout": 0,
	}, got.series(t, semconv.EvaluationDuration))
	assert.Equal(t, map[string]float64{
		"evolution.run.state=running": 1, "evolution.run.state=completed": 0, "evolution.run.state=failed": 0,
	}, got.series(t, semconv.RunState))
	for _, metric := range []semconv.Metric{semconv.IterationCurrent, semconv.ChampionIteration, semconv.EvaluationActive, semconv.EvaluationActiveAgeMax} {
		assert.Equal(t, map[string]float64{"": 0}, got.series(t, metric), metric.Name)
	}
	assert.NotContains(t, got, semconv.ChampionFitness.Name, "unknown is not 0")
	assert.NotContains(t, got, semconv.PopulationSize.Name, "unknown is not 0")
}

type ownType struct{}

func (ownType) Error() string     { return "own" }
func (ownType) ErrorType() string { return "own_type" }

func TestFailuresAreCountedByErrorType(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	run.Iteration().End(nil)
	run.Iteration().End(fmt.Errorf("evolving: %w", &os.PathError{Err: errors.New("x")}))
	run.Iteration().End(fmt.Errorf("evolving: %w", context.DeadlineExceeded))
	run.Iteration().End(fmt.Errorf("evolving: %w", context.Canceled))
	run.Iteration().End(fmt.Errorf("evolving: %w", ownType{}))
	assert.Equal(t, map[string]float64{
		"evolution.iteration.outcome=success":                                1,
		"evolution.iteration.outcome=failure":                                0,
		"error.type=*errors.errorString,evolution.iteration.outcome=failure": 1,
		"error.type=timeout,evolution.iteration.outcome=failure":             1,
		"error.type=canceled,evolution.iteration.outcome=failure":            1,
		"error.type=own_type,evolution.iteration.outcome=failure":            1,
	}, collect().series(t, semconv.IterationDuration))
}

type namedError string

func (namedError) Error() string       { return "e" }
func (n namedError) ErrorType() string { return string(n) }

// brokenError's methods panic, on a nil pointer as they do on any other.
type brokenError struct{ text string }

func (e *brokenError) Error() string     { return e.text }
func (e *brokenError) ErrorType() string { return e.text }
func (e *brokenError) Timeout() bool     { return e.text != "" }

func TestErrorsThatPanicAreFailures(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	run.Iteration().End((*brokenError)(nil))
	run.Iteration().End(namedError(""))
	run.Evaluation().End((*brokenError)(nil))
	got := collect()
	assert.EqualValues(t, 2, got.series(t, semconv.IterationDuration)["error.type=_OTHER,evolution.iteration.outcome=failure"])
	assert.EqualValues(t, 1, got.series(t, semconv.EvaluationDuration)["evolution.evaluation.outcome=failure"])
}

type numberedError int

func (n numberedError) Error() string     { return "e" }
func (n numberedError) ErrorType() string { return "e" + strconv.Itoa(int(n)) }

func TestErrorTypesAreBounded(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	for i := range 1000 {
		run.Iteration().End(numberedError(i))
	}
	series := collect().series(t, semconv.IterationDuration)
	assert.Len(t, series, 2+16+1)
	assert.EqualValues(t, 1000-16, series["error.type=_OTHER,evolution.iteration.outcome=failure"])
}

func TestIterationsAreNumbered(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	first, second := run.Iteration(), run.Iteration()
	assert.EqualValues(t, 1, first.Number())
	assert.EqualValues(t, 2, second.Number())
	second.End(nil)
	first.End(nil)
	assert.Equal(t, map[string]float64{"": 2}, collect().series(t, semconv.IterationCurrent), "does not go back")
}

func TestAResumedRunGoesOn(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run(instrumentation.WithRunID("again"), instrumentation.WithFirstIteration(500))
	assert.Equal(t, "again", run.ID())
	got := collect()
	assert.Equal(t, map[string]float64{"": 499}, got.series(t, semconv.IterationCurrent))
	assert.Equal(t, map[string]float64{"": 499}, got.series(t, semconv.ChampionIteration), "stale from here, not from 0")
	iteration := run.Iteration()
	assert.EqualValues(t, 500, iteration.Number())
	iteration.End(nil)

	run = m.Run(instrumentation.WithRunID("again"), instrumentation.WithFirstIteration(500), instrumentation.WithChampion(480, 1.5))
	got = collect()
	assert.Equal(t, map[string]float64{"": 480}, got.series(t, semconv.ChampionIteration))
	assert.Equal(t, map[string]float64{"": 1.5}, got.series(t, semconv.ChampionFitness))
	assert.Equal(t, map[string]float64{"": 499}, got.series(t, semconv.IterationCurrent), "the older run of this id is gone")
	run.Champion(1.5)
	assert.Equal(t, map[string]float64{"": 480}, collect().series(t, semconv.ChampionIteration))
}

func TestChampion(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	check := func(iteration, fitness float64) {
		t.Helper()
		got := collect()
		assert.Equal(t, map[string]float64{"": iteration}, got.series(t, semconv.ChampionIteration))
		assert.Equal(t, map[string]float64{"": fitness}, got.series(t, semconv.ChampionFitness))
	}
	run.Champion(1)
	check(0, 1)
	iteration := run.Iteration()
	run.Champion(1)
	check(0, 1)
	run.Champion(2)
	check(1, 2)
	iteration.End(nil)
	run.Iteration().End(nil)
	run.Champion(1.5)
	check(2, 1.5)
	run.Champion(math.Inf(-1))
	check(2, math.Inf(-1))
	run.Champion(0)
	iteration = run.Iteration()
	run.Champion(math.Copysign(0, -1))
	check(2, 0)
	iteration.End(nil)
	run.Champion(math.NaN())
	run.Iteration()
	run.Champion(-math.NaN())
	assert.Equal(t, map[string]float64{"": 3}, collect().series(t, semconv.ChampionIteration))
}

func TestEvaluationsInFlight(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	hung := run.Evaluation()
	run.Evaluation().End(nil)
	run.Evaluation().End(errors.New("no"))
	run.Evaluation().End(fmt.Errorf("scoring: %w", context.DeadlineExceeded))
	got := collect()
	assert.Equal(t, map[string]float64{"": 1}, got.series(t, semconv.EvaluationActive))
	assert.Positive(t, got.series(t, semconv.EvaluationActiveAgeMax)[""])
	assert.Equal(t, map[string]float64{
		"evolution.evaluation.outcome=success": 1, "evolution.evaluation.outcome=failure": 1, "evolution.evaluation.outcome=timeout": 1,
	}, got.series(t, semconv.EvaluationDuration))
	hung.End(nil)
	got = collect()
	assert.Equal(t, map[string]float64{"": 0}, got.series(t, semconv.EvaluationActive))
	assert.Equal(t, map[string]float64{"": 0}, got.series(t, semconv.EvaluationActiveAgeMax))
}

func TestOnlyTheFirstEndCounts(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	iteration, evaluation := run.Iteration(), run.Evaluation()
	iteration.End(nil)
	evaluation.End(nil)
	other, otherEvaluation := run.Iteration(), run.Evaluation() // take the places of the first
	iteration.End(errors.New("again"))
	evaluation.End(errors.New("again"))
	run.End(nil)
	run.End(errors.New("again"))
	got := collect()
	assert.Equal(t, map[string]float64{"evolution.iteration.outcome=success": 1, "evolution.iteration.outcome=failure": 0}, got.series(t, semconv.IterationDuration))
	assert.Equal(t, map[string]float64{"": 1}, got.series(t, semconv.EvaluationActive))
	assert.EqualValues(t, 1, got.series(t, semconv.RunState)["evolution.run.state=completed"])
	other.End(nil)
	otherEvaluation.End(nil)
	instrumentation.Iteration{}.End(nil)
	instrumentation.Evaluation{}.End(nil)
}

func TestPopulationKeepsEachKindOfGenome(t *testing.T) {
	numeric := []float64{0, 0.5, 1}
	population := []instrumentation.Individual{
		{ID: "identity", Fitness: 1, Genome: instrumentation.Identity("h")},
		{ID: "tokens", Fitness: 2, Genome: instrumentation.Tokens([]string{"a", "b"})},
		{ID: "categorical", Fitness: 3, Genome: instrumentation.Categorical([]int64{4, 5})},
		{ID: "numeric", Fitness: 4, Genome: instrumentation.Numeric(numeric)},
		{ID: "booleans", Fitness: 5, Genome: instrumentation.Booleans([]bool{true, false})},
		{ID: "none", Fitness: math.NaN()},
		{ID: "categorical", Fitness: 6, Genome: instrumentation.Categorical([]int64{7, 8})},
		{ID: "categorical", Fitness: 6, Genome: instrumentation.Categorical([]int64{7, 8})},
		{ID: "empty", Fitness: 7, Genome: instrumentation.Numeric(nil)},
	}
	m, collect := monitor(t)
	run := m.Run()
	run.Population("", population)
	numeric[0] = 99
	population[0].ID = "changed"

	points := collect().individuals()
	require.Len(t, points, len(population), "individuals of one id are not merged")
	var got []string
	for _, p := range points {
		id, _ := p.Attributes.Value(semconv.AttrIndividualID)
		genome, ok := p.Attributes.Value(semconv.AttrIndividualGenome)
		assert.False(t, p.Attributes.HasValue(semconv.AttrIsland))
		got = append(got, fmt.Sprint(id.AsString(), " ", p.Value, " ", ok, " ", genome.Type(), " ", genome.String()))
	}
	assert.Equal(t, []string{
		`identity 1 true STRING h`,
		`tokens 2 true STRINGSLICE ["a","b"]`,
		`categorical 3 true INT64SLICE [4,5]`,
		`numeric 4 true FLOAT64SLICE [0,0.5,1]`,
		`booleans 5 true BOOLSLICE [true,false]`,
		`none NaN false EMPTY `,
		`categorical 6 true INT64SLICE [7,8]`,
		`categorical 6 true INT64SLICE [7,8]`,
		`empty 7 true FLOAT64SLICE []`,
	}, got)
}

func individuals(n int) []instrumentation.Individual {
	out := make([]instrumentation.Individual, n)
	for i := range out {
		out[i] = instrumentation.Individual{ID: strconv.Itoa(i), Genome: instrumentation.Numeric([]float64{float64(i), 1})}
	}
	return out
}

func TestIslandsAreReplacedAndRemoved(t *testing.T) {
	m, collect := monitor(t)
	run := m.Run()
	run.Population("a", individuals(3))
	run.Population("b", individuals(2))
	run.Population("a", individuals(5))
	got := collect()
	assert.Equal(t, map[string]float64{"evolution.island=a": 5, "evolution.island=b": 2}, got.series(t, semconv.PopulationSize))
	assert.Len(t, got.individuals(), 7)
	run.RemoveIsland("a")
	run.RemoveIsland("never there")
	got = collect()
	assert.Equal(t, map[string]float64{"evolution.island=b": 2}, got.series(t, semconv.PopulationSize))
	assert.Len(t, got.individuals(), 2)
	run.Population("b", nil)
	got = collect()
	assert.Equal(t, map[string]float64{"evolution.island=b": 0}, got.series(t, semconv.PopulationSize))
	assert.Empty(t, got.individuals())
}

func TestAPopulationBeyondTheLimitIsReportedBySize(t *testing.T) {
	log := &recorder{}
	m, collect := monitor(t, instrumentation.WithPopulationLimit(10*(16+2)), instrumentation.WithLogger(log.logger()))
	run := m.Run()
	for range 3 {
		run.Population("", individuals(11))
	}
	got := collect()
	assert.Equal(t, map[string]float64{"": 11}, got.series(t, semconv.PopulationSize))
	assert.Empty(t, got.individuals())
	log.waitFor(t, 1, "too large")

	// Room is given back: each of these alone fits exactly.
	for _, island := range []string{"x", "y", "z"} {
		run.Population(island, individuals(10))
		run.Population(island, individuals(10))
		assert.Len(t, collect().individuals(), 10)
		run.RemoveIsland(island)
	}
	for i := range 3 {
		again := m.Run(instrumentation.WithRunID("again"))
		again.Population(strconv.Itoa(i), individuals(10))
		assert.Len(t, collect().individuals(), 10)
	}
}

func TestLongStringsCountForWhatTheyAre(t *testing.T) {
	log := &recorder{}
	m, collect := monitor(t, instrumentation.WithPopulationLimit(1000), instrumentation.WithLogger(log.logger()))
	run := m.Run()
	program := strings.Repeat("x", 8000)
	for i, genome := range []instrumentation.Genome{instrumentation.Identity(program), instrumentation.Tokens([]string{"a", program})} {
		run.Population(strconv.Itoa(i), []instrumentation.Individual{{Genome: genome}})
		assert.Empty(t, collect().individuals())
	}
	run.Population("", []instrumentation.Individual{{Genome: instrumentation.Identity(program[:800])}})
	assert.Len(t, collect().individuals(), 1)
	log.waitFor(t, 1, "too large")
}

func TestBytesThatAreNotUTF8StayDifferent(t *testing.T) {
	m, collect := monitor(t)
	m.Run().Population("", []instrumentation.Individual{
		{Genome: instrumentation.Identity("\xff")}, {Genome: instrumentation.Identity("\xfe")},
		{Genome: instrumentation.Identity("\xfe")}, {Genome: instrumentation.Tokens([]string{"a", "\xffé", "b"})},
	})
	var got []string
	for _, p := range collect().individuals() {
		genome, _ := p.Attributes.Value(semconv.AttrIndividualGenome)
		got = append(got, genome.String())
	}
	assert.Equal(t, []string{`\xff`, `\xfe`, `\xfe`, `["a","\\xffé","b"]`}, got)
}

func TestIslandsAreBounded(t *testing.T) {
	log := &recorder{}
	m, collect := monitor(t, instrumentation.WithLogger(log.logger()))
	run := m.Run()
	for i := range 1500 {
		run.Population(strconv.Itoa(i), individuals(1))
	}
	run.Population("7", individuals(2))
	got := collect().series(t, semconv.PopulationSize)
	assert.Len(t, got, 1000)
	assert.EqualValues(t, 2, got["evolution.island=7"])
	log.waitFor(t, 1, "more islands")
	run.RemoveIsland("7")
	run.Population("new", individuals(3))
	assert.EqualValues(t, 3, collect().series(t, semconv.PopulationSize)["evolution.island=new"])
}

func TestEndedRunsAreKeptForAWhileOnly(t *testing.T) {
	m, collect := monitor(t)
	long := m.Run(instrumentation.WithRunID("long"))
	for range 100 {
		run := m.Run()
		run.Population("", individuals(1))
		run.End(nil)
		run.Population("", individuals(2))
	}
	ids := map[string]bool{}
	for _, p := range collect()[semconv.IterationCurrent.Name].Data.(metricdata.Gauge[int64]).DataPoints {
		id, _ := p.Attributes.Value(semconv.AttrRunID)
		ids[id.AsString()] = true
	}
	assert.Len(t, ids, 17)
	assert.True(t, ids[long.ID()], "a run that goes on stays")
}

func TestRunsThatNobodyEndsAreBounded(t *testing.T) {
	log := &recorder{}
	m, collect := monitor(t, instrumentation.WithLogger(log.logger()))
	for i := range 1100 {
		m.Run(instrumentation.WithRunID(strconv.Itoa(i))).Population("", individuals(1))
	}
	assert.Len(t, collect().individuals(), 1000)
	log.waitFor(t, 1, "more runs")
}

func TestEverythingMayHappenAtOnce(t *testing.T) {
	m, collect := monitor(t)
	const workers, iterations = 8, 200
	var all sync.WaitGroup
	shared := m.Run(instrumentation.WithRunID("shared"))
	for w := range workers {
		all.Go(func() {
			own := m.Run()
			for i := range iterations {
				iteration, evaluation := shared.Iteration(), shared.Evaluation()
				shared.Champion(float64(i))
				shared.Population(strconv.Itoa(w), individuals(i%20))
				own.Population("", individuals(i%7))
				if i%10 == 0 {
					shared.RemoveIsland(strconv.Itoa(w))
				}
				evaluation.End(nil)
				iteration.End(nil)
			}
			own.End(nil)
		})
	}
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, p := range collect().individuals() {
				genome, _ := p.Attributes.Value(semconv.AttrIndividualGenome)
				id, _ := p.Attributes.Value(semconv.AttrIndividualID)
				if values := genome.AsFloat64Slice(); len(values) != 2 || strconv.Itoa(int(values[0])) != id.AsString() {
					t.Errorf("individual %s has another's genome %v", id.AsString(), values)
				}
			}
		}
	})
	all.Wait()
	close(stop)
	collector.Wait()
	var sum uint64
	for _, p := range collect()[semconv.IterationDuration.Name].Data.(metricdata.Histogram[float64]).DataPoints {
		sum += p.Count
	}
	assert.EqualValues(t, workers*iterations, sum)
}

func TestNilIsHarmless(t *testing.T) {
	var m *instrumentation.Monitor
	run := m.Run(instrumentation.WithRunID("x"), nil)
	assert.Nil(t, run)
	assert.Empty(t, run.ID())
	iteration := run.Iteration()
	assert.Zero(t, iteration.Number())
	iteration.End(nil)
	run.Evaluation().End(nil)
	run.Champion(1)
	run.Population("", individuals(1))
	run.RemoveIsland("")
	run.End(nil)
	m.Shutdown(t.Context())
	scopes, err := m.Produce(t.Context())
	require.NoError(t, err)
	assert.Empty(t, scopes)
}

func TestAnIterationAllocatesNothing(t *testing.T) {
	m, _ := monitor(t)
	run := m.Run()
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		iteration, evaluation := run.Iteration(), run.Evaluation()
		run.Champion(1)
		evaluation.End(nil)
		iteration.End(nil)
	}))
}

func TestScaleGenes(t *testing.T) {
	genes := []float64{5, -1, 7}
	assert.Equal(t, []float64{0.5, 0, 0}, instrumentation.ScaleGenes(nil, genes, []float64{0, -1, 3}, []float64{10, 1, 3}))
	assert.Equal(t, []float64{0.5, 0, 0}, instrumentation.ScaleGenes(genes, genes, []float64{0, -1, 3}, []float64{10, 1, 3}), "in place")
	assert.True(t, slices.Equal([]float64{1}, instrumentation.ScaleGenes(nil, []float64{2, 3}, []float64{1}, []float64{2})))
}
