package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/evotel/evotel/examples/strategyloop/evolve"
	"github.com/evotel/evotel/examples/strategyloop/scoring"
	"github.com/evotel/evotel/examples/strategyloop/strategy"
	"github.com/evotel/evotel/instrumentation"
)

const (
	// breather is what an iteration without any result takes at least, so that a
	// loop whose Docker is gone does not spin.
	breather = 500 * time.Millisecond
	// goodOneIn is the share of iterations that the fault fail leaves alone.
	goodOneIn = 20
	// crashTake is how long the sandboxes of a crash go on.
	crashTake = time.Hour
)

// loop is an evolutionary run in progress.
type loop struct {
	*settings
	log     *slog.Logger
	out     io.Writer
	run     *instrumentation.Run
	scorer  scoring.Scorer
	options scoring.Options
	search  *evolve.Evolution
	genes   int // of an individual
}

// do goes on until all iterations are done or ctx is. What faults have begun in
// the background has ended when it returns.
func (l *loop) do(ctx context.Context) error {
	background, stop := context.WithCancel(ctx)
	var faulty sync.WaitGroup
	defer faulty.Wait()
	defer stop()
	l.log.Info("the run begins", "run", l.run.ID(), "seed", l.seed, "islands", l.islands, "population", l.population, "offspring", l.offspring)
	for n := 1; (l.iterations == 0 || n <= l.iterations) && ctx.Err() == nil; n++ {
		if err := l.beginFaults(background, &faulty, n); err != nil {
			return err
		}
		if err := l.iterate(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) beginFaults(ctx context.Context, faulty *sync.WaitGroup, n int) error {
	for _, f := range allFaults {
		if !l.faults.begins(f, n) {
			continue
		}
		l.log.Warn("a fault begins", "fault", string(f), "iteration", n)
		switch f {
		case collapse:
			l.search.SetMode(evolve.Takeover)
		case stall:
			l.search.SetMode(evolve.Standstill)
		case leak:
			faulty.Go(func() { leakMemory(ctx, l.log) })
		case orphans:
			docker, ok := l.scorer.(*scoring.Docker)
			if !ok {
				return errors.New("--fault orphans needs Docker")
			}
			program, err := scoring.Self()
			if err != nil {
				return err
			}
			candidate, err := json.Marshal(strategy.Candidate{Genes: make([]float64, l.genes)})
			if err != nil {
				return fmt.Errorf("writing a candidate: %w", err)
			}
			a := &abandoner{docker: docker, options: l.options, program: program, candidate: string(candidate), log: l.log}
			faulty.Go(func() { a.run(ctx) })
		}
	}
	return nil
}

// iterate does one iteration. Its error ends the run; an iteration that merely
// fails does not.
func (l *loop) iterate(ctx context.Context, n int) error {
	start := time.Now()
	iteration := l.run.Iteration()
	offspring := l.search.Offspring(l.offspring)
	results := l.evaluate(ctx, n, offspring)
	if ctx.Err() != nil {
		return nil // neither success nor failure
	}
	improved := false
	var failed int
	var failure error
	for i, r := range results {
		if r.err != nil {
			failed++
			failure = r.err
			continue
		}
		if l.search.Accept(offspring[i], r.result.Fitness) {
			improved = true
		}
	}
	l.search.Finish()
	champion, found := l.search.Champion()
	if improved {
		l.run.Champion(champion.Fitness)
	}
	for island := range l.search.Islands() {
		l.run.Population(strconv.Itoa(island+1), individuals(l.search.Population(island)))
	}
	var outcome error
	if 2*failed > len(results) {
		outcome = fmt.Errorf("%d of %d evaluations failed, the last one: %w", failed, len(results), failure)
	}
	iteration.End(outcome)
	l.print(n, found, improved, champion.Fitness, len(results)-failed, failed, failure, time.Since(start))

	least := l.pause
	if failed == len(results) {
		least = max(least, breather)
	}
	wait(ctx, least-time.Since(start))
	return nil
}

func individuals(population []evolve.Individual) []instrumentation.Individual {
	reported := make([]instrumentation.Individual, len(population))
	for i, one := range population {
		reported[i] = instrumentation.Individual{ID: one.ID, Fitness: one.Fitness, Genome: instrumentation.Numeric(one.Genes)}
	}
	return reported
}

func (l *loop) print(n int, found, improved bool, fitness float64, scored, failed int, failure error, took time.Duration) {
	if l.quiet {
		return
	}
	champion := "none yet"
	if found {
		champion = fmt.Sprintf("%.6f", fitness)
	}
	mark := " "
	if improved {
		mark = "*"
	}
	note := ""
	if failed > 0 {
		note = fmt.Sprintf("  %d failed: %v", failed, failure)
	}
	_, _ = fmt.Fprintf(l.out, "iteration %4d  champion %s%s  %d scored  %.2f s%s\n", n, champion, mark, scored, took.Seconds(), note)
}

// evaluation is how the scoring of one candidate ended.
type evaluation struct {
	result strategy.Result
	err    error
}

// evaluate has all offspring scored, a few at a time.
func (l *loop) evaluate(ctx context.Context, n int, offspring []evolve.Offspring) []evaluation {
	results := make([]evaluation, len(offspring))
	slots := make(chan struct{}, l.parallel)
	crashing := l.faults.begins(crash, n)
	var started sync.WaitGroup
	if crashing {
		started.Add(min(l.parallel, len(offspring)))
		go func() {
			started.Wait()
			kill()
		}()
	}
	var all sync.WaitGroup
	for i, o := range offspring {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			job, err := l.job(n, o)
			if err != nil {
				results[i].err = err
				return
			}
			if crashing {
				if l.scorer.Kind() == scoring.InDocker {
					job.Take = crashTake
				}
				job.Started = sync.OnceFunc(started.Done)
			}
			evaluating := l.run.Evaluation()
			results[i].result, results[i].err = l.scorer.Score(ctx, job)
			if ctx.Err() == nil {
				evaluating.End(results[i].err)
			}
		})
	}
	all.Wait()
	return results
}

// job makes what the sandbox gets.
func (l *loop) job(n int, o evolve.Offspring) (scoring.Job, error) {
	candidate, err := json.Marshal(strategy.Candidate{Genes: o.Genes})
	if err != nil {
		return scoring.Job{}, fmt.Errorf("writing a candidate: %w", err)
	}
	if l.faults.on(fail, n) && n%goodOneIn != 0 {
		candidate = candidate[:len(candidate)/2]
	}
	return scoring.Job{Candidate: string(candidate), Take: l.take}, nil
}

// kill ends the process as the kernel does when memory runs out.
func kill() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
}

// wait returns after d, or when ctx is done.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
