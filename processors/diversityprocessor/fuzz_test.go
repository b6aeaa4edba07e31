package diversityprocessor

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/population"
	"github.com/evotel/evotel/semconv"
)

// Whatever bytes a request has: no panic, no value outside its range, and what is
// not ours passes to the byte.
func FuzzProcess(f *testing.F) {
	for _, genomes := range [][]any{
		{"x", "y", ""}, {array(0.5, 1.5), array(math.NaN(), 1.0), array(int64(1), 0.0)}, {array(int64(1)), array(true), array(false)},
		{array("a", "b"), array(), array("b")}, {array(), map[string]any{"a": 1}, []byte("b"), nil},
	} {
		request, scope := newScope()
		addSize(scope, "a", int64(len(genomes)))
		individuals := make([]individual, len(genomes))
		for i, genome := range genomes {
			individuals[i] = individual{run: "r", island: "a", id: "1", fitness: float64(i), genome: genome}
		}
		add(f, scope, individuals...)
		scope.Metrics().AppendEmpty().SetEmptyHistogram().DataPoints().AppendEmpty().SetCount(3)
		f.Add([]byte(marshal(f, request)))
	}
	config := defaults()
	config.Measures, config.MaxIndividuals, config.MaxGenes, config.MaxComparisons = measure.All(), 20, 5, 100
	f.Fuzz(func(t *testing.T, bytes []byte) {
		request, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(bytes)
		if err != nil {
			return
		}
		want := pmetric.NewMetrics()
		request.CopyTo(want)
		removeOurs(want)

		sink := &consumertest.MetricsSink{}
		p, err := NewFactory().CreateMetrics(context.Background(), processortest.NewNopSettings(metadata.Type), config, sink)
		require.NoError(t, err)
		require.NoError(t, p.ConsumeMetrics(context.Background(), request))
		got := pmetric.NewMetrics()
		if all := sink.AllMetrics(); len(all) > 0 {
			got = all[0]
		}
		requireInRange(t, got)
		removeOurs(got)
		if marshal(t, want) != marshal(t, got) {
			t.Fatalf("what is not ours is not as it was:\n%x\n%x", marshal(t, want), marshal(t, got))
		}
	})
}

// removeOurs takes out the individuals, what the processor adds, and what then is
// empty.
func removeOurs(request pmetric.Metrics) {
	request.ResourceMetrics().RemoveIf(func(resource pmetric.ResourceMetrics) bool {
		resource.ScopeMetrics().RemoveIf(func(scope pmetric.ScopeMetrics) bool {
			scope.Metrics().RemoveIf(population.IsIndividuals)
			return scope.Metrics().Len() == 0 || scope.Scope().Name() == metadata.ScopeName
		})
		return resource.ScopeMetrics().Len() == 0
	})
}

func requireInRange(t *testing.T, got pmetric.Metrics) {
	for _, resource := range got.ResourceMetrics().All() {
		scopes := resource.ScopeMetrics()
		for i := range scopes.Len() {
			// Ours is the last; a request may claim to hold others.
			if i < scopes.Len()-1 || scopes.At(i).Scope().Name() != metadata.ScopeName {
				continue
			}
			for _, m := range scopes.At(i).Metrics().All() {
				low, high := 0.0, 1.0
				switch m.Name() {
				case semconv.PopulationDiversity.Name:
				case semconv.PopulationEffectiveSize.Name:
					low, high = 1, 20
				default:
					continue
				}
				for _, point := range m.Gauge().DataPoints().All() {
					if v := point.DoubleValue(); !(v >= low && v <= high) {
						t.Fatalf("%s %v is %v", m.Name(), point.Attributes().AsRaw(), v)
					}
				}
			}
		}
	}
}

// FuzzSnapshot reads the bytes as instructions to make individuals, which reaches
// further than bytes that happen to be OTLP.
func FuzzSnapshot(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	f.Add([]byte("population of many individuals with several genes"))
	config := defaults()
	config.Measures, config.MaxIndividuals, config.MaxGenes, config.MaxComparisons = measure.All(), 20, 5, 30
	odd := []any{0.0, 1.0, math.NaN(), math.Inf(1), -0.5, 5e-324, 0.25, int64(0), int64(1), int64(math.MinInt64), true, false, "", "a", "b", nil}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		next := func() byte {
			if len(bytes) == 0 {
				return 0
			}
			b := bytes[0]
			bytes = bytes[1:]
			return b
		}
		request, scope := newScope()
		if size := next(); size%2 == 0 {
			addSize(scope, "", int64(size/2))
		}
		for len(bytes) > 0 {
			how := next()
			one := individual{run: "r", id: []string{"", "1", "2", "3"}[how&3], timestamp: pcommon.Timestamp(how >> 2 & 3), stale: how>>4&7 == 7}
			if how>>7 == 1 {
				one.genome = odd[next()%16]
			} else {
				genes := array()
				base := int(next())
				for range base & 7 { // of one kind, mostly
					genes = append(genes, odd[(base>>3+int(next()%4))%16])
				}
				one.genome = genes
			}
			one.fitness, _ = odd[how%7].(float64)
			add(t, scope, one)
		}
		requireInRange(t, run(t, config, request))
	})
}
