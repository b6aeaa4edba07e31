package instrumentation_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/instrumentation"
)

func population(individuals, genes int) []instrumentation.Individual {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]instrumentation.Individual, individuals)
	for i := range out {
		g := make([]float64, genes)
		for j := range g {
			g[j] = random.Float64()
		}
		out[i] = instrumentation.Individual{ID: strconv.Itoa(i), Fitness: random.Float64(), Genome: instrumentation.Numeric(g)}
	}
	return out
}

func benchMonitor(b *testing.B) (*instrumentation.Monitor, sdkmetric.Reader) {
	b.Setenv("OTEL_METRICS_EXPORTER", "none")
	var reader *sdkmetric.ManualReader
	m := instrumentation.Start(b.Context(), instrumentation.WithResourceMonitor(false),
		instrumentation.WithReader(func(p sdkmetric.Producer) sdkmetric.Reader {
			reader = sdkmetric.NewManualReader(sdkmetric.WithProducer(p))
			return reader
		}))
	b.Cleanup(func() { m.Shutdown(context.Background()) })
	return m, reader
}

func BenchmarkIteration(b *testing.B) {
	m, _ := benchMonitor(b)
	run := m.Run()
	b.ReportAllocs()
	for b.Loop() {
		run.Iteration().End(nil)
	}
}

func BenchmarkEvaluation(b *testing.B) {
	m, _ := benchMonitor(b)
	run := m.Run()
	b.ReportAllocs()
	for b.Loop() {
		run.Evaluation().End(nil)
	}
}

// BenchmarkPopulation is what handing over costs the loop's goroutine.
func BenchmarkPopulation(b *testing.B) {
	m, _ := benchMonitor(b)
	run := m.Run()
	individuals := population(1000, 64)
	b.ReportAllocs()
	for b.Loop() {
		run.Population("", individuals)
	}
}

// BenchmarkCollect is what a collection costs, on another goroutine.
func BenchmarkCollect(b *testing.B) {
	m, reader := benchMonitor(b)
	m.Run().Population("", population(1000, 64))
	var rm metricdata.ResourceMetrics
	b.ReportAllocs()
	for b.Loop() {
		if err := reader.Collect(b.Context(), &rm); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMinHash(b *testing.B) {
	tokens := make([]string, 1000)
	for i := range tokens {
		tokens[i] = "token" + strconv.Itoa(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		instrumentation.MinHash(tokens)
	}
}
