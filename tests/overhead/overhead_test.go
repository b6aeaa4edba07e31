// Package overhead_test measures what being watched costs the example loop's
// search, scored in this process, with the real Collector receiving: the same
// iterations without instrumentation, with ours, and with hand-written counters
// of prometheus/client_golang, in rotating order so that what else the machine
// does meets all three alike.
//
//	OVERHEAD_TIME=5m go test -count=1 -v -timeout 30m ./tests/overhead
package overhead_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/examples/strategyloop/evolve"
	"github.com/evotel/evotel/examples/strategyloop/market"
	"github.com/evotel/evotel/examples/strategyloop/strategy"
	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/tests/collector"
)

// search is the example loop's own: strategies evolve on real prices. Searches of
// one seed do the same work in the same iteration, however they are watched.
type search struct {
	evolution *evolve.Evolution
	prices    market.Prices
	// scorings is how often each candidate is scored, which makes iterations as
	// long as they shall be.
	scorings int
}

// The example loop's offspring, and more individuals than it has.
const offspring, islands, population = 4, 3, 40

func newSearch(prices market.Prices, scorings int) *search {
	return &search{
		evolution: evolve.New(evolve.Config{Genes: strategy.Genes(len(prices.Markets)), Islands: islands, Population: population, Seed: 1}),
		prices:    prices, scorings: scorings,
	}
}

// watcher is a way of being watched; each call is one that stands in the loop.
type watcher struct {
	name       string
	begin      func()
	evaluating func()
	evaluated  func()
	end        func(*evolve.Evolution)
}

// iterate does one iteration, and returns how long the calls held it up.
func (s *search) iterate(t *testing.T, w watcher) (spent time.Duration) {
	call := func(f func()) {
		if f != nil {
			begin := time.Now()
			f()
			spent += time.Since(begin)
		}
	}
	call(w.begin)
	for _, o := range s.evolution.Offspring(offspring) {
		call(w.evaluating)
		var result strategy.Result
		for range s.scorings {
			var err error
			result, err = strategy.Train(s.prices, strategy.Candidate{Genes: o.Genes})
			require.NoError(t, err)
		}
		call(w.evaluated)
		s.evolution.Accept(o, result.Fitness)
	}
	s.evolution.Finish()
	if w.end != nil {
		call(func() { w.end(s.evolution) })
	}
	return spent
}

// calibrate returns the scorings with which an iteration takes about d.
func calibrate(t *testing.T, prices market.Prices, d time.Duration) int {
	const probe = 10
	s := newSearch(prices, probe)
	fastest := time.Duration(math.MaxInt64)
	for range 5 {
		begin := time.Now()
		s.iterate(t, watcher{})
		fastest = min(fastest, time.Since(begin))
	}
	return max(1, int(math.Round(float64(probe)*float64(d)/float64(fastest))))
}

// ours hands over the whole population in every iteration.
func ours(run *instrumentation.Run) watcher {
	var iteration instrumentation.Iteration
	var evaluation instrumentation.Evaluation
	return watcher{
		name:       fmt.Sprintf("evotel, population of %d", islands*population),
		begin:      func() { iteration = run.Iteration() },
		evaluating: func() { evaluation = run.Evaluation() },
		evaluated:  func() { evaluation.End(nil) },
		end: func(e *evolve.Evolution) {
			champion, _ := e.Champion()
			run.Champion(champion.Fitness)
			for island := range e.Islands() {
				individuals := make([]instrumentation.Individual, 0, population)
				for _, one := range e.Population(island) {
					individuals = append(individuals, instrumentation.Individual{ID: one.ID, Fitness: one.Fitness, Genome: instrumentation.Numeric(one.Genes)})
				}
				run.Population(strconv.Itoa(island), individuals)
			}
			iteration.End(nil)
		},
	}
}

// handWritten has no population: client_golang could not carry it.
func handWritten() watcher {
	registry := prometheus.NewRegistry()
	iterations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "iteration_seconds"}, []string{"outcome"})
	evaluations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "evaluation_seconds"}, []string{"outcome"})
	active := prometheus.NewGauge(prometheus.GaugeOpts{Name: "evaluation_active"})
	current := prometheus.NewGauge(prometheus.GaugeOpts{Name: "iteration_current"})
	best := prometheus.NewGauge(prometheus.GaugeOpts{Name: "champion_fitness"})
	registry.MustRegister(iterations, evaluations, active, current, best)
	var iteration, evaluation time.Time
	return watcher{
		name:  "client_golang, no population",
		begin: func() { iteration = time.Now() },
		evaluating: func() {
			active.Inc()
			evaluation = time.Now()
		},
		evaluated: func() {
			active.Dec()
			evaluations.WithLabelValues("success").Observe(time.Since(evaluation).Seconds())
		},
		end: func(e *evolve.Evolution) {
			champion, _ := e.Champion()
			best.Set(champion.Fitness)
			current.Inc()
			iterations.WithLabelValues("success").Observe(time.Since(iteration).Seconds())
		},
	}
}

// estimate is a ratio with its standard error.
type estimate struct{ ratio, err float64 }

// half is half the width of the 95 % confidence interval.
func (e estimate) half() float64 { return 1.96 * e.err }

// least is what the ratio is at least, all but certainly (99.9 %).
func (e estimate) least() float64 { return e.ratio - 3.3*e.err }

func (e estimate) String() string { return fmt.Sprintf("%+.3f %% ± %.3f", 100*e.ratio, 100*e.half()) }

// ratioOfSums estimates sum(parts)/sum(wholes) of pairs. Unlike the mean of the
// pairs' ratios it does not grow with noise in the wholes.
func ratioOfSums(parts, wholes []float64) estimate {
	n := float64(len(parts))
	var part, whole, squares float64
	for i := range parts {
		part += parts[i]
		whole += wholes[i]
	}
	ratio := part / whole
	for i := range parts {
		rest := parts[i] - ratio*wholes[i]
		squares += rest * rest
	}
	return estimate{ratio, math.Sqrt(squares*n/(n-1)) / whole}
}

func median(parts, wholes []float64) float64 {
	ratios := make([]float64, len(parts))
	for i := range parts {
		ratios[i] = parts[i] / wholes[i]
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

func TestOverhead(t *testing.T) {
	budget := 20 * time.Second
	if text := os.Getenv("OVERHEAD_TIME"); text != "" {
		var err error
		budget, err = time.ParseDuration(text)
		require.NoError(t, err, "OVERHEAD_TIME is a duration for each length of iteration")
	}
	prices, _, err := market.Read(market.Europe())
	require.NoError(t, err)
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
			scorings := calibrate(t, prices, test.iteration)
			watchers := [...]watcher{{name: "not watched"}, ours(m.Run()), handWritten()}
			var searches [len(watchers)]*search
			for i := range searches {
				searches[i] = newSearch(prices, scorings)
			}

			var took, spent, longer [len(watchers)][]float64
			for begin, round := time.Now(), 0; time.Since(begin) < budget; round++ {
				for i := range watchers {
					k := (i + round) % len(watchers)
					start := time.Now()
					calls := searches[k].iterate(t, watchers[k])
					took[k] = append(took[k], time.Since(start).Seconds())
					spent[k] = append(spent[k], calls.Seconds())
				}
				for k := range watchers {
					longer[k] = append(longer[k], took[k][round]-took[0][round])
				}
			}
			for k := range searches {
				assert.Equal(t, searches[0].evolution, searches[k].evolution, "all have done the same work")
			}
			t.Logf("%d triples of iterations of about %v", len(took[0]), test.iteration)
			t.Logf("| | calls, median iteration | calls, all iterations | longer than not watched, all iterations |")
			for k, w := range watchers {
				t.Logf("| %s | %.3f %% | %v | %v |", w.name, 100*median(spent[k], took[k]), ratioOfSums(spent[k], took[k]), ratioOfSums(longer[k], took[0]))
			}
			// The median is precise on any machine. The others hold what comes now and
			// then too, such as collecting the garbage of the calls; but also the noise
			// of whatever else runs here: they must not lie above the limit for certain.
			assert.Less(t, median(spent[1], took[1]), test.limit)
			assert.Less(t, ratioOfSums(spent[1], took[1]).least(), test.limit)
			assert.Less(t, ratioOfSums(longer[1], took[0]).least(), test.limit)
		})
	}
}
