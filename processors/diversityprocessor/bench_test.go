//go:build unix

package diversityprocessor

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/semconv"
)

// BenchmarkProcessor is the whole processor with the measures that are the default:
// from the decoded request to the one that is passed on. Its points are those of
// one island: 17.
func BenchmarkProcessor(b *testing.B) {
	for kind, gene := range map[string]func(i int) any{
		"numeric":     func(i int) any { return float64(uniform(i)>>11) * 0x1p-53 },
		"categorical": func(i int) any { return int64(uniform(i) % 4) },
		"tokens":      func(i int) any { return "t" + strconv.FormatUint(uniform(i)%1000, 10) },
		"minhash":     func(i int) any { return int64(uniform(i) >> 32) },
	} {
		for _, n := range []int{100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/d=64/n=%d", kind, n), func(b *testing.B) { benchmark(b, snapshotOf(b, n, 64, gene)) })
		}
	}
}

func benchmark(b *testing.B, snapshot pmetric.Metrics) {
	sink := &consumertest.MetricsSink{}
	p, err := NewFactory().CreateMetrics(context.Background(), processortest.NewNopSettings(metadata.Type), createDefaultConfig(), sink)
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
	request := pmetric.NewMetrics()
	b.ReportAllocs()
	var spent time.Duration
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		snapshot.CopyTo(request)
		sink.Reset()
		b.StartTimer()
		begin := cpu(b)
		err := p.ConsumeMetrics(context.Background(), request)
		spent += cpu(b) - begin
		require.NoError(b, err)
	}
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
}

func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// uniform is SplitMix64 of 0, 1, 2, ...
func uniform(i int) uint64 {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func snapshotOf(b *testing.B, n, loci int, gene func(i int) any) pmetric.Metrics {
	request, scope := newScope()
	addSize(scope, "a", int64(n))
	individuals := make([]individual, n)
	for i := range individuals {
		genome := make([]any, loci)
		for locus := range genome {
			genome[locus] = gene(i*loci + locus)
		}
		individuals[i] = individual{run: "r", island: "a", id: strconv.Itoa(i), fitness: float64(i), genome: genome}
	}
	add(b, scope, individuals...)
	require.Equal(b, semconv.IndividualFitness.Name, scope.Metrics().At(1).Name())
	return request
}
