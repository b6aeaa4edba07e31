// Command strategyloop evolves trading strategies on real prices and lets itself
// be watched: an example of an autonomous evolutionary loop, and something for
// evotel to be tried on. See its README.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/evotel/evotel/examples/strategyloop/evolve"
	"github.com/evotel/evotel/examples/strategyloop/market"
	"github.com/evotel/evotel/examples/strategyloop/scoring"
	"github.com/evotel/evotel/examples/strategyloop/strategy"
	"github.com/evotel/evotel/instrumentation"
)

// cleanUpTimeout and farewellTimeout bound the end, of which no more than 3 s
// shall be seen.
const (
	cleanUpTimeout  = 2500 * time.Millisecond
	farewellTimeout = 1500 * time.Millisecond
)

func main() {
	// A reader of our output that has gone (SIGPIPE) is a reason to end, too.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "strategyloop:", err)
		stop()
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	iterations, islands, population, offspring, parallel int
	seed                                                 uint64
	runID, sandbox, dockerHost, data, prometheus         string
	timeout, take, pause                                 time.Duration
	faultTexts                                           []string
	quiet                                                bool

	faults faults
}

func (s *settings) validate() error {
	var errs []error
	least := func(name string, value, least int) {
		if value < least {
			errs = append(errs, fmt.Errorf("--%s %d: expected at least %d", name, value, least))
		}
	}
	least("iterations", s.iterations, 0)
	least("islands", s.islands, 1)
	least("population", s.population, 2)
	least("offspring", s.offspring, 1)
	least("parallel", s.parallel, 1)
	if s.timeout <= 0 {
		errs = append(errs, fmt.Errorf("--timeout %s: expected more than 0", s.timeout))
	}
	if s.take < 0 || s.pause < 0 {
		errs = append(errs, errors.New("--take and --pause: expected at least 0"))
	}
	var err error
	s.faults, err = parseFaults(s.faultTexts)
	errs = append(errs, err)
	if s.faults.on(orphans, s.faults[orphans]) && s.sandbox == string(scoring.Subprocess) {
		errs = append(errs, errors.New("--fault orphans needs Docker"))
	}
	return errors.Join(errs...)
}

func newCommand() *cobra.Command {
	s := &settings{}
	command := &cobra.Command{
		Use:   "strategyloop",
		Short: "Evolve trading strategies on real prices, watched by evotel",
		Long: `Evolves trading strategies for DAX, SMI, CAC and FTSE on daily prices, on islands,
and scores each candidate in a Docker sandbox of its own, or in a subprocess where
there is no Docker. It reports itself over OTLP, as the OTEL_* variables say, by
default to http://localhost:4318. Ctrl-C ends it and removes its sandboxes.

Faults, from iteration 10 on or from name@iteration:
  collapse   the population becomes copies of one individual
  stall      offspring are copies of their parents; nothing improves any more
  fail       19 of 20 iterations fail, since their sandboxes do
  leak       memory grows to 95 % of GOMEMLIMIT (512 MiB where none is set)
  orphans    sandboxes are left behind by a process that ends, again and again
  crash      the process kills itself and leaves its sandboxes`,
		Example: `  strategyloop --iterations 100
  strategyloop --sandbox subprocess --fault collapse@30,leak`,
		Args:              cobra.NoArgs,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE:              func(command *cobra.Command, _ []string) error { return run(command, s) },
	}
	f := command.Flags()
	f.IntVar(&s.iterations, "iterations", 0, "iterations to do; 0: until stopped")
	f.IntVar(&s.islands, "islands", 2, "number of islands")
	f.IntVar(&s.population, "population", 24, "individuals on each island")
	f.IntVar(&s.offspring, "offspring", 4, "new candidates in each iteration, on all islands together")
	f.IntVar(&s.parallel, "parallel", 4, "sandboxes at a time")
	f.Uint64Var(&s.seed, "seed", 1, "makes runs differ; the same seed gives the same run")
	f.StringVar(&s.runID, "run-id", "", "id of the run; a new UUID if empty")
	f.StringVar(&s.sandbox, "sandbox", string(scoring.Auto), "where candidates are scored: docker, subprocess, or auto for docker if it works")
	f.StringVar(&s.dockerHost, "docker-host", "", "address of the Docker Engine; DOCKER_HOST, or else the default socket, if empty")
	f.StringVar(&s.data, "data", "", "CSV of prices: a column time (decimal years) and one for each market; the embedded ones if empty")
	f.DurationVar(&s.timeout, "timeout", 10*time.Second, "what the evaluation of a candidate may take")
	f.DurationVar(&s.take, "take", 0, "what it takes at least, as heavier candidates would")
	f.DurationVar(&s.pause, "pause", 0, "what an iteration takes at least")
	f.StringVar(&s.prometheus, "prometheus", "", "address of a Prometheus endpoint of the loop's own, such as 127.0.0.1:9464; none if empty")
	f.StringSliceVar(&s.faultTexts, "fault", nil, "what goes wrong, see above; may be repeated")
	f.BoolVar(&s.quiet, "quiet", false, "don't print a line for each iteration")
	command.AddCommand(newScoreCommand(), newAbandonCommand())
	return command
}

func run(command *cobra.Command, s *settings) (err error) {
	ctx := command.Context()
	if err := s.validate(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
	data, prices, skipped, err := readPrices(s.data)
	if err != nil {
		return err
	}
	warnOfRows(log, skipped)

	options := []instrumentation.Option{instrumentation.WithServiceName("strategyloop"), instrumentation.WithLogger(log)}
	if s.prometheus != "" {
		options = append(options, instrumentation.WithPrometheusAddr(s.prometheus))
	}
	monitor := instrumentation.Start(ctx, options...)
	telemetry := monitor.Run(instrumentation.WithRunID(s.runID))
	var scorer scoring.Scorer
	defer func() {
		telemetry.End(outcome(ctx, s, err))
		err = errors.Join(err, shutDown(ctx, monitor, scorer))
	}()

	scoringOptions := scoring.Options{
		RunID: telemetry.ID(), Data: data, DataFile: s.data, Timeout: s.timeout, DockerHost: s.dockerHost, Log: log,
	}
	scorer, err = scoring.New(ctx, scoring.Kind(s.sandbox), scoringOptions)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	genes := strategy.Genes(len(prices.Markets))
	l := &loop{
		settings: s, log: log, out: command.OutOrStdout(),
		run: telemetry, scorer: scorer, options: scoringOptions, genes: genes,
		search: evolve.New(evolve.Config{Genes: genes, Islands: s.islands, Population: s.population, Seed: s.seed}),
	}
	if err := l.do(ctx); err != nil {
		return err
	}
	if champion, ok := l.search.Champion(); ok {
		return report(command.OutOrStdout(), prices, champion)
	}
	return nil
}

// outcome says how the run ended: a run with no end of its own has completed when
// it is told to stop, any other was cancelled.
func outcome(ctx context.Context, s *settings, err error) error {
	if err == nil && s.iterations > 0 {
		err = ctx.Err()
	}
	return err
}

func warnOfRows(log *slog.Logger, skipped []market.RowError) {
	const shown = 5
	for _, row := range skipped[:min(len(skipped), shown)] {
		log.Warn("a malformed row is left out", "problem", row.Error())
	}
	if len(skipped) > 0 {
		log.Warn("malformed rows were left out", "count", len(skipped))
	}
}

// shutDown removes the sandboxes and reports for the last time, both at once.
func shutDown(ctx context.Context, monitor *instrumentation.Monitor, scorer scoring.Scorer) error {
	ctx = context.WithoutCancel(ctx)
	closed := make(chan error, 1)
	go func() {
		if scorer == nil {
			closed <- nil
			return
		}
		ctx, cancel := context.WithTimeout(ctx, cleanUpTimeout)
		defer cancel()
		closed <- scorer.Close(ctx)
	}()
	farewell, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	monitor.Shutdown(farewell)
	if err := <-closed; err != nil {
		return fmt.Errorf("cleaning up: %w", err)
	}
	return nil
}
