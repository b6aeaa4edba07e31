// Package strategy defines trading strategies and scores them. It is pure:
// prices and genes in, a result out.
//
// A strategy has the same few rules for each market, each with numeric
// parameters of its own. The README has the formulas and their sources.
package strategy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Parameter is a numeric parameter of a market's rules.
type Parameter struct {
	Name string
	// Low and High are its bounds. A gene g in [0,1] stands for
	// Low + g (High - Low), or Low (High/Low)^g if Log.
	Low, High float64
	// Log is set for parameters whose order of magnitude matters, such as spans
	// of days.
	Log bool
}

// Value is what a gene stands for.
func (p Parameter) Value(gene float64) float64 {
	if p.Log {
		return p.Low * math.Pow(p.High/p.Low, gene)
	}
	return p.Low + gene*(p.High-p.Low)
}

// The parameters of a market, in the order of their genes.
const (
	bias = iota
	trendDays
	trendWeight
	reversalDays
	reversalWeight
	leadWeight
	volatilityDays
	volatilityTarget
	speed
	parameters
)

var table = [parameters]Parameter{
	bias:             {Name: "bias", Low: -1, High: 1},
	trendDays:        {Name: "trend_days", Low: 10, High: 250, Log: true},
	trendWeight:      {Name: "trend_weight", Low: -2, High: 2},
	reversalDays:     {Name: "reversal_days", Low: 2, High: 10, Log: true},
	reversalWeight:   {Name: "reversal_weight", Low: -2, High: 2},
	leadWeight:       {Name: "lead_weight", Low: -2, High: 2},
	volatilityDays:   {Name: "volatility_days", Low: 5, High: 120, Log: true},
	volatilityTarget: {Name: "volatility_target", Low: 0.05, High: 0.4, Log: true},
	speed:            {Name: "speed", Low: 0.01, High: 1, Log: true},
}

// Parameters returns the parameters of each market.
func Parameters() []Parameter { return slices.Clone(table[:]) }

// Genes is the number of genes of a strategy for so many markets.
func Genes(markets int) int { return markets * parameters }

// Candidate is a strategy to be scored, as it is handed to a sandbox.
type Candidate struct {
	// Genes has a value in [0,1] for each parameter of the first market, then
	// of the second, and so on.
	Genes []float64 `json:"genes"`
}

// NotACandidate begins the message of ParseCandidate's errors.
const NotACandidate = "reading a candidate"

// ParseCandidate reads a candidate from JSON.
func ParseCandidate(text string, markets int) (Candidate, error) {
	var c Candidate
	if err := decode(text, &c); err != nil {
		return Candidate{}, fmt.Errorf("%s: %w", NotACandidate, err)
	}
	if err := c.Validate(markets); err != nil {
		return Candidate{}, fmt.Errorf("%s: %w", NotACandidate, err)
	}
	return c, nil
}

// Validate says what is wrong with a candidate for so many markets.
func (c Candidate) Validate(markets int) error {
	if len(c.Genes) != Genes(markets) {
		return fmt.Errorf("%d genes, expected %d", len(c.Genes), Genes(markets))
	}
	for i, g := range c.Genes {
		// Written so that NaN is caught.
		if !(g >= 0 && g <= 1) {
			return fmt.Errorf("gene %d is %v, expected a value in [0,1]", i, g)
		}
	}
	return nil
}

// decode reads exactly one JSON value.
func decode(text string, to any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}
