// Package overhead_test measures what being watched costs a loop, with the real
// Collector receiving: iterations of fixed work, without instrumentation, with
// ours, and with hand-written counters of prometheus/client_golang, in rotating
// order so that what else the machine does meets all three alike.
//
//	OVERHEAD_TIME=5m go test -count=1 -v -timeout 30m ./tests/overhead
package overhead_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/tests/collector"
)

// sink keeps the compiler from leaving work out.
var sink uint64

// work is an iteration's own work: arithmetic over a genome's worth of memory.
func work(rounds int, memory []uint64) {
	x := uint64(1)
	for range rounds {
		for i := range memory {
			x = (x ^ memory[i]) * 0x9e3779b97f4a7c15
			memory[i] = x >> 7
		}
	}
	sink += x
}

// calibrate returns the rounds that take about d.
func calibrate(d time.Duration, memory []uint64) int {
	const probe = 200
	fastest := time.Duration(math.MaxInt64)
	for range 5 {
		begin := time.Now()
		work(probe, memory)
		fastest = min(fastest, time.Since(begin))
	}
	return max(1, int(float64(probe)*float64(d)/float64(fastest)))
}

// kind is a way of being watched: around wraps one iteration's work and returns
// how long the loop was held up by being watched.
type kind struct {
	name   string
	around func(work func()) time.Duration
}

func unwatched() kind {
	return kind{"not watched", func(work func()) time.Duration { work(); return 0 }}
}

func ours(run *instrumentation.Run, population []instrumentation.Individual) kind {
	return kind{"evotel, 100 x 64 population", func(work func()) time.Duration {
		begin := time.Now()
		iteration, evaluation := run.Iteration(), run.Evaluation()
		spent := time.Since(begin)
		work()
		begin = time.Now()
		evaluation.End(nil)
		run.Champion(1)
		run.Population("", population)
		iteration.End(nil)
		return spent + time.Since(begin)
	}}
}

// handWritten has no population: client_golang could not carry it.
func handWritten() kind {
	registry := prometheus.NewRegistry()
	iterations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "iteration_seconds"}, []string{"outcome"})
	evaluations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "evaluation_seconds"}, []string{"outcome"})
	current := prometheus.NewGauge(prometheus.GaugeOpts{Name: "iteration_current"})
	champion := prometheus.NewGauge(prometheus.GaugeOpts{Name: "champion_fitness"})
	registry.MustRegister(iterations, evaluations, current, champion)
	return kind{"client_golang, no population", func(work func()) time.Duration {
		start := time.Now()
		spent := time.Since(start)
		work()
		begin := time.Now()
		evaluations.WithLabelValues("success").Observe(time.Since(start).Seconds())
		champion.Set(1)
		current.Inc()
		iterations.WithLabelValues("success").Observe(time.Since(start).Seconds())
		return spent + time.Since(begin)
	}}
}

// estimate is a mean with half the width of its 95 % confidence interval.
type estimate struct{ mean, half float64 }

func (e estimate) String() string { return fmt.Sprintf("%+.3f %% ± %.3f", 100*e.mean, 100*e.half) }

func mean95(values []float64) estimate {
	n := float64(len(values))
	var sum, squares float64
	for _, v := range values {
		sum += v
	}
	for _, v := range values {
		squares += (v - sum/n) * (v - sum/n)
	}
	return estimate{sum / n, 1.96 * math.Sqrt(squares/(n-1)/n)}
}

func TestOverhead(t *testing.T) {
	budget := 20 * time.Second
	if text := os.Getenv("OVERHEAD_TIME"); text != "" {
		var err error
		budget, err = time.ParseDuration(text)
		require.NoError(t, err, "OVERHEAD_TIME is a duration for each length of iteration")
	}
	c := collector.New(t)
	c.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.OTLPHTTP)

	for _, test := range []struct {
		iteration time.Duration
		limit     float64 // of iteration time
	}{
		{100 * time.Millisecond, 0.001},
		{5 * time.Millisecond, 0.01},
	} {
		t.Run(test.iteration.String(), func(t *testing.T) {
			m := instrumentation.Start(t.Context())
			defer m.Shutdown(context.Background())
			random := rand.New(rand.NewPCG(1, 2))
			population := make([]instrumentation.Individual, 100)
			for i := range population {
				genes := make([]float64, 64)
				for j := range genes {
					genes[j] = random.Float64()
				}
				population[i] = instrumentation.Individual{ID: strconv.Itoa(i), Genome: instrumentation.Numeric(genes)}
			}
			kinds := []kind{unwatched(), ours(m.Run(), population), handWritten()}
			memory := make([]uint64, 512)
			rounds := calibrate(test.iteration, memory)

			differences, shares := make([][]float64, len(kinds)), make([][]float64, len(kinds))
			for begin, round := time.Now(), 0; time.Since(begin) < budget; round++ {
				var took [3]time.Duration
				for i := range kinds {
					k := (i + round) % len(kinds)
					start := time.Now()
					spent := kinds[k].around(func() { work(rounds, memory) })
					took[k] = time.Since(start)
					shares[k] = append(shares[k], float64(spent)/float64(took[k]))
				}
				for k := range kinds {
					differences[k] = append(differences[k], float64(took[k]-took[0])/float64(took[0]))
				}
			}
			t.Logf("%d triples of iterations of %v", len(shares[0]), test.iteration)
			t.Logf("| | time spent in calls | difference to the same iteration not watched |")
			for k := range kinds {
				t.Logf("| %s | %v | %v |", kinds[k].name, mean95(shares[k]), mean95(differences[k]))
			}
			// What the calls take is precise. The whole difference also holds what
			// the calls do to caches and to the other cores, and the machine's noise:
			// it must not lie above the limit for certain.
			calls, whole := mean95(shares[1]), mean95(differences[1])
			assert.Less(t, calls.mean+calls.half, test.limit)
			assert.Less(t, whole.mean-whole.half, test.limit)
		})
	}
}
