package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/evotel/evotel/examples/strategyloop/evolve"
	"github.com/evotel/evotel/examples/strategyloop/market"
	"github.com/evotel/evotel/examples/strategyloop/strategy"
)

// report writes how the champion did, on the days it was evolved on and on those
// it never saw, and its parameters.
func report(to io.Writer, prices market.Prices, champion evolve.Individual) error {
	candidate := strategy.Candidate{Genes: champion.Genes}
	training, err := strategy.Train(prices, candidate)
	if err != nil {
		return fmt.Errorf("scoring the champion on the training days: %w", err)
	}
	heldOut, err := strategy.HeldOut(prices, candidate)
	if err != nil {
		return fmt.Errorf("scoring the champion on the held-out days: %w", err)
	}
	held, err := strategy.BuyAndHold(prices)
	if err != nil {
		return fmt.Errorf("scoring buy and hold: %w", err)
	}
	days := strategy.TrainingDays(prices)
	_, _ = fmt.Fprintf(to, "\nChampion %s, evolved on days 1 to %d, held out %d to %d. Costs of %.1f %% included.\n",
		champion.ID, days, days+1, prices.Days(), 100*strategy.Cost)
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "\tfitness\treturn a year\tvolatility\tdrawdown\tturnover a year\t")
	for _, row := range []struct {
		name   string
		result strategy.Result
	}{{"training", training}, {"held out", heldOut}, {"buy and hold, held out", held}} {
		r := row.result
		_, _ = fmt.Fprintf(table, "%s\t%.3f\t%.1f %%\t%.1f %%\t%.1f %%\t%.1f\t\n",
			row.name, r.Fitness, 100*r.Return, 100*r.Volatility, 100*r.Drawdown, r.Turnover)
	}
	_, _ = fmt.Fprintln(table)
	_, _ = fmt.Fprint(table, "rules\t")
	for _, name := range prices.Markets {
		_, _ = fmt.Fprintf(table, "%s\t", name)
	}
	_, _ = fmt.Fprintln(table)
	parameters := strategy.Parameters()
	for i, p := range parameters {
		_, _ = fmt.Fprintf(table, "%s\t", p.Name)
		for m := range prices.Markets {
			_, _ = fmt.Fprintf(table, "%.3g\t", p.Value(champion.Genes[m*len(parameters)+i]))
		}
		_, _ = fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
