package instrumentation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/evotel/evotel/instrumentation"
)

// A loop that looks for the number 0.7, watched. Told to stop, by Ctrl-C or
// SIGTERM, it reports that it has not completed.
func Example() {
	_ = os.Setenv("OTEL_METRICS_EXPORTER", "none") // an example sends nothing

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	monitor := instrumentation.Start(ctx, instrumentation.WithServiceName("find-0.7"))
	defer monitor.Shutdown(ctx)
	run := monitor.Run(instrumentation.WithRunID("monday"))

	population := []float64{0.1, 0.2, 0.3}
	best := population[0]
	for n := 0; n < 100 && ctx.Err() == nil; n++ {
		iteration := run.Iteration()
		individuals := make([]instrumentation.Individual, len(population))
		for i := range population {
			evaluation := run.Evaluation()
			candidate := population[i] + rand.NormFloat64()/10
			better := distance(candidate) < distance(population[i])
			evaluation.End(nil)
			if better {
				population[i] = candidate
			}
			if distance(population[i]) < distance(best) {
				best = population[i]
				run.Champion(-distance(best))
			}
			individuals[i] = instrumentation.Individual{
				ID: strconv.Itoa(i), Fitness: -distance(population[i]),
				Genome: instrumentation.Numeric([]float64{population[i]}),
			}
		}
		run.Population("", individuals)
		iteration.End(nil)
	}
	run.End(ctx.Err())
	fmt.Println(distance(best) < 0.5)
	// Output: true
}

func distance(x float64) float64 { return max(x-0.7, 0.7-x) }
