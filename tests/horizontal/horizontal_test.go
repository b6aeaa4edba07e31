// Package horizontal_test shows that many Collectors do as one: a loop's requests go
// to one Collector and, in turn, to one of two behind a balancer; after each of
// them the two together must say of the population what the one says.
package horizontal_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/semconv"
	"github.com/evotel/evotel/tests/collector"
)

// balancer is a round-robin balancer that also sends every request to one
// Collector that is alone.
type balancer struct {
	alone  string
	behind []string
	next   int
	sent   map[string]int
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	turn := b.behind[b.next%len(b.behind)]
	b.next++
	for _, host := range []string{b.alone, turn} {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+host+r.URL.Path, bytes.NewReader(body))
		if err == nil {
			request.Header = r.Header
			var response *http.Response
			if response, err = http.DefaultClient.Do(request); err == nil {
				_ = response.Body.Close()
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		b.sent[host]++
	}
}

// newest are the population's series of some Collectors, each as the Collector has
// it that heard of it last.
func newest(collectors ...*collector.Collector) map[string]model.SampleValue {
	samples := map[string]*model.Sample{}
	for _, c := range collectors {
		for _, sample := range c.Samples() {
			if !strings.HasPrefix(string(sample.Metric[model.MetricNameLabel]), "evolution_population_") {
				continue
			}
			series := sample.Metric.String()
			if known, ok := samples[series]; !ok || sample.Timestamp > known.Timestamp {
				samples[series] = sample
			}
		}
	}
	values := map[string]model.SampleValue{}
	for series, sample := range samples {
		values[series] = sample.Value
	}
	return values
}

// population is one of many kinds, sizes and degrees of collapse. It is large
// enough for pairs to be sampled.
func population(step int) []instrumentation.Individual {
	r := rand.New(rand.NewPCG(uint64(step), 0))
	members := make([]instrumentation.Individual, 300+100*step)
	for i := range members {
		members[i] = instrumentation.Individual{ID: strconv.Itoa(i), Fitness: r.NormFloat64()}
		switch step % 3 {
		case 0:
			genes := make([]float64, 80)
			for g := range genes {
				genes[g] = 0.5 + (r.Float64()-0.5)/float64(step+1)
			}
			members[i].Genome = instrumentation.Numeric(genes)
		case 1:
			members[i].Genome = instrumentation.MinHash([]string{"a", strconv.Itoa(r.IntN(9)), strconv.Itoa(r.IntN(9))})
		default:
			tokens := make([]string, r.IntN(200))
			for t := range tokens {
				tokens[t] = strconv.Itoa(r.IntN(500))
			}
			members[i].Genome = instrumentation.Tokens(tokens)
		}
	}
	return members
}

func TestTwoCollectorsDoAsOne(t *testing.T) {
	withTimes := filepath.Join(t.TempDir(), "times.yaml")
	require.NoError(t, os.WriteFile(withTimes, []byte("exporters: {prometheus: {send_timestamps: true}}"), 0o600))
	alone, first, second := collector.New(t, withTimes), collector.New(t, withTimes), collector.New(t, withTimes)
	for _, c := range []*collector.Collector{alone, first, second} {
		c.Start(t)
	}
	b := &balancer{alone: alone.OTLPHTTP, behind: []string{first.OTLPHTTP, second.OTLPHTTP}, sent: map[string]int{}}
	server := httptest.NewServer(b)
	defer server.Close()

	exporter, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL(server.URL+"/v1/metrics"))
	require.NoError(t, err)
	var reader *sdkmetric.ManualReader
	t.Setenv("OTEL_METRICS_EXPORTER", "none") // ours is the reader's
	m := instrumentation.Start(t.Context(), instrumentation.WithServiceName("loop"),
		instrumentation.WithReader(func(p sdkmetric.Producer) sdkmetric.Reader {
			reader = sdkmetric.NewManualReader(sdkmetric.WithProducer(p))
			return reader
		}))
	defer m.Shutdown(context.Background())
	run := m.Run()

	const steps = 8
	for step := range steps {
		run.Population("north", population(step))
		run.Population("south", population(step+1))
		if step == steps/2 {
			run.RemoveIsland("south")
		}
		var collected metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &collected))
		require.NoError(t, exporter.Export(t.Context(), &collected))

		want := newest(alone)
		require.Equal(t, want, newest(first, second), "step %d", step)
		for _, measure := range []string{semconv.MeasureMeanPairwiseDistance, semconv.MeasureVendi2, semconv.MeasureHill1} {
			assert.Contains(t, strings.Join(keys(want), "\n"), `evolution_diversity_measure="`+measure+`"`)
		}
	}
	assert.Equal(t, map[string]int{alone.OTLPHTTP: steps, first.OTLPHTTP: steps / 2, second.OTLPHTTP: steps / 2}, b.sent)
}

func keys(values map[string]model.SampleValue) []string {
	var all []string
	for key := range values {
		all = append(all, key)
	}
	return all
}
