package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/evotel/evotel/examples/strategyloop/market"
	"github.com/evotel/evotel/examples/strategyloop/strategy"
)

// newScoreCommand is what runs in a sandbox.
func newScoreCommand() *cobra.Command {
	var data string
	var take time.Duration
	command := &cobra.Command{
		Use:   "score [flags] CANDIDATE",
		Short: "Score one candidate on the training days and print the result, both in JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			end := time.After(take)
			_, prices, _, err := readPrices(data)
			if err != nil {
				return err
			}
			candidate, err := strategy.ParseCandidate(args[0], len(prices.Markets))
			if err != nil {
				return err
			}
			result, err := strategy.Train(prices, candidate)
			if err != nil {
				return fmt.Errorf("scoring a candidate: %w", err)
			}
			<-end
			return json.NewEncoder(command.OutOrStdout()).Encode(result)
		},
	}
	command.Flags().StringVar(&data, "data", "", "CSV of prices; the embedded ones if empty")
	command.Flags().DurationVar(&take, "take", 0, "how long scoring takes at least")
	return command
}

// readPrices reads a CSV file, or the embedded prices if it has no name.
func readPrices(file string) ([]byte, market.Prices, []market.RowError, error) {
	data := market.Europe()
	if file != "" {
		var err error
		if data, err = market.ReadFile(file); err != nil {
			return nil, market.Prices{}, nil, err
		}
	}
	prices, skipped, err := market.Read(data)
	if err != nil && file != "" {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return data, prices, skipped, err
}
