package runleaseprocessor

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/evotel/evotel/extensions/runleaseextension/lease"
	"github.com/evotel/evotel/processors/runleaseprocessor/internal/metadata"
	"github.com/evotel/evotel/semconv"
)

// fakeLease is an extension that writes down what it is told.
type fakeLease struct {
	component.StartFunc
	component.ShutdownFunc
	reports []lease.Report
}

func (f *fakeLease) Hear(r lease.Report) { f.reports = append(f.reports, r) }

type testHost struct {
	extensions map[component.ID]component.Component
}

func (h testHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

func hostWith(l component.Component) component.Host {
	return testHost{map[component.ID]component.Component{component.MustNewID("run_lease"): l}}
}

func newTestHost() component.Host { return hostWith(&fakeLease{}) }

// hear passes a request, which must come out as it went in, and returns what the
// extension is told.
func hear(t *testing.T, request pmetric.Metrics) []lease.Report {
	t.Helper()
	before := pmetric.NewMetrics()
	request.CopyTo(before)
	told, sink := &fakeLease{}, &consumertest.MetricsSink{}
	p, err := NewFactory().CreateMetrics(t.Context(), processortest.NewNopSettings(metadata.Type), createDefaultConfig(), sink)
	require.NoError(t, err)
	require.False(t, p.Capabilities().MutatesData)
	require.NoError(t, p.Start(t.Context(), hostWith(told)))
	request.MarkReadOnly()
	require.NoError(t, p.ConsumeMetrics(t.Context(), request))
	require.NoError(t, p.Shutdown(t.Context()))
	require.Len(t, sink.AllMetrics(), 1)
	require.Equal(t, before.ResourceMetrics().Len(), sink.AllMetrics()[0].ResourceMetrics().Len())
	require.Equal(t, marshal(t, before), marshal(t, sink.AllMetrics()[0]))
	return told.reports
}

func marshal(t *testing.T, m pmetric.Metrics) []byte {
	t.Helper()
	bytes, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(m)
	require.NoError(t, err)
	return bytes
}

// addResource adds a resource with string attributes, given as name and value in
// turn, and returns its scope.
func addResource(m pmetric.Metrics, attributes ...string) pmetric.ScopeMetrics {
	resource := m.ResourceMetrics().AppendEmpty()
	for i := 0; i < len(attributes); i += 2 {
		resource.Resource().Attributes().PutStr(attributes[i], attributes[i+1])
	}
	return resource.ScopeMetrics().AppendEmpty()
}

// addState adds what an SDK exports of a run that is in a state.
func addState(scope pmetric.ScopeMetrics, run, state string, at int64) {
	m := scope.Metrics().AppendEmpty()
	m.SetName(semconv.RunState.Name)
	m.SetEmptyGauge()
	for _, s := range []string{semconv.RunRunning, semconv.RunCompleted, semconv.RunFailed} {
		p := m.Gauge().DataPoints().AppendEmpty()
		p.Attributes().PutStr(semconv.AttrRunID, run)
		p.Attributes().PutStr(semconv.AttrRunState, s)
		p.SetTimestamp(pcommon.Timestamp(at))
		if s == state {
			p.SetIntValue(1)
		} else {
			p.SetIntValue(0)
		}
	}
}

func TestRunsAreHeardWithTheirStates(t *testing.T) {
	request := pmetric.NewMetrics()
	scope := addResource(request, semconv.AttrServiceName, "loop", "host.name", "h")
	addState(scope, "running", semconv.RunRunning, 7)
	addState(scope, "completed", semconv.RunCompleted, 8)
	addState(scope, "failed", semconv.RunFailed, 9)
	addState(scope, "odd", "paused", 9)
	m := scope.Metrics().AppendEmpty()
	m.SetEmptyHistogram().DataPoints().AppendEmpty().Attributes().PutStr(semconv.AttrRunID, "timed")
	reports := hear(t, request)
	require.Len(t, reports, 1)
	assert.Equal(t, "h", reports[0].Host)
	assert.Equal(t, map[string]lease.Saying{
		"running":   {Word: lease.Running, Time: 7},
		"completed": {Word: lease.Ended, Time: 8},
		"failed":    {Word: lease.Ended, Time: 9},
		"odd":       {}, "timed": {},
	}, reports[0].Runs)
}

func TestOfSeveralExportsInOneRequestTheLastCounts(t *testing.T) {
	for _, order := range [][2]int64{{1, 2}, {2, 1}} {
		request := pmetric.NewMetrics()
		scope := addResource(request)
		addState(scope, "ends", map[int64]string{1: semconv.RunRunning, 2: semconv.RunCompleted}[order[0]], order[0])
		addState(scope, "ends", map[int64]string{1: semconv.RunRunning, 2: semconv.RunCompleted}[order[1]], order[1])
		addState(scope, "resumes", map[int64]string{1: semconv.RunFailed, 2: semconv.RunRunning}[order[0]], order[0])
		addState(scope, "resumes", map[int64]string{1: semconv.RunFailed, 2: semconv.RunRunning}[order[1]], order[1])
		addState(scope, "both", semconv.RunRunning, 5)
		addState(scope, "both", semconv.RunCompleted, 5)
		assert.Equal(t, map[string]lease.Saying{
			"ends": {Word: lease.Ended, Time: 2}, "resumes": {Word: lease.Running, Time: 2}, "both": {Word: lease.Running, Time: 5},
		}, hear(t, request)[0].Runs)
	}
}

func TestPointWithoutAValueSaysNothing(t *testing.T) {
	request := pmetric.NewMetrics()
	scope := addResource(request)
	addState(scope, "r", semconv.RunCompleted, 1)
	for _, p := range scope.Metrics().At(0).Gauge().DataPoints().All() {
		p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	}
	assert.Empty(t, hear(t, request))
}

func TestOnlyOneIsOne(t *testing.T) {
	for value, want := range map[float64]lease.Word{1: lease.Ended, 0.999: lease.Mentioned, 2: lease.Mentioned, math.NaN(): lease.Mentioned, math.Inf(1): lease.Mentioned} {
		request := pmetric.NewMetrics()
		m := addResource(request).Metrics().AppendEmpty()
		m.SetName(semconv.RunState.Name)
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.Attributes().PutStr(semconv.AttrRunID, "r")
		p.Attributes().PutStr(semconv.AttrRunState, semconv.RunFailed)
		p.SetDoubleValue(value)
		assert.Equal(t, want, hear(t, request)[0].Runs["r"].Word, "%v", value)
	}
}

func TestSourcesAreToldApart(t *testing.T) {
	request := pmetric.NewMetrics()
	for _, attributes := range [][]string{
		{semconv.AttrServiceName, "a", semconv.AttrServiceInstanceID, "1", "host.name", "x"},
		{semconv.AttrServiceName, "a", semconv.AttrServiceInstanceID, "1", "host.id", "y"}, // the same
		{semconv.AttrServiceName, "a", semconv.AttrServiceInstanceID, "2"},
		{semconv.AttrServiceName, "b", semconv.AttrServiceInstanceID, "1"},
		{semconv.AttrServiceName, "a"},
		{semconv.AttrServiceName, "a", "host.name", "x"},
		{},
		{"a", "bc"}, {"ab", "c"},
	} {
		addState(addResource(request, attributes...), "r", semconv.RunRunning, 1)
	}
	var sources []string
	different := map[string]bool{}
	for _, r := range hear(t, request) {
		sources = append(sources, r.Source)
		different[r.Source] = true
	}
	assert.Len(t, sources, 9)
	assert.Equal(t, sources[0], sources[1])
	assert.Len(t, different, 8)
}

func TestTelemetryOfOthersIsHeard(t *testing.T) {
	reports := hear(t, testdata.GenerateMetricsAllTypes())
	require.Len(t, reports, 1)
	assert.Empty(t, reports[0].Runs)
	assert.Empty(t, hear(t, pmetric.NewMetrics()))
}

func TestLeaseMustBeThere(t *testing.T) {
	p, err := NewFactory().CreateMetrics(t.Context(), processortest.NewNopSettings(metadata.Type), createDefaultConfig(), consumertest.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, p.Start(t.Context(), componenttest.NewNopHost()), `"run_lease" is not one`)
}

func FuzzListen(f *testing.F) {
	request := pmetric.NewMetrics()
	scope := addResource(request, semconv.AttrServiceName, "loop")
	addState(scope, "r", semconv.RunCompleted, 7)
	for _, m := range []pmetric.Metrics{request, testdata.GenerateMetricsAllTypes()} {
		bytes, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(m)
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
		request.MarkReadOnly()
		book := lease.NewBook(lease.Policy{SilentAfter: time.Hour, Retention: 2 * time.Hour, MaxRuns: 10, Tick: time.Second},
			func() lease.Instant { return lease.Instant{} })
		l := &listener{book: book}
		if _, err := l.listen(context.Background(), request); err != nil {
			t.Fatal(err)
		}
		if runs, sources, _ := book.Len(); runs > 10 || sources > 40 {
			t.Fatalf("%d runs and %d sources are remembered", runs, sources)
		}
	})
}

func BenchmarkListenTo10000Individuals(b *testing.B) {
	request := pmetric.NewMetrics()
	m := addResource(request, semconv.AttrServiceName, "loop").Metrics().AppendEmpty()
	m.SetName(semconv.IndividualFitness.Name)
	m.SetEmptyGauge()
	for range 10_000 {
		p := m.Gauge().DataPoints().AppendEmpty()
		p.Attributes().PutStr(semconv.AttrIsland, "north")
		p.Attributes().PutStr(semconv.AttrRunID, "r")
		p.Attributes().PutStr(semconv.AttrIndividualID, "i")
	}
	l := &listener{book: &fakeLease{}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l.listen(context.Background(), request)
	}
}
