package main

import (
	"math"
	"testing"

	"github.com/evotel/evotel/examples/strategyloop/evolve"
	"github.com/evotel/evotel/examples/strategyloop/market"
	"github.com/evotel/evotel/examples/strategyloop/strategy"
)

// A healthy run must give no alert cause to fire, whatever its seed: champions
// follow each other closely, and the islands stay diverse.
func TestHealthySearch(t *testing.T) {
	const seeds, iterations = 5, 200
	prices, _, err := market.Read(market.Europe())
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(seeds) {
		search := evolve.New(evolve.Config{Genes: strategy.Genes(len(prices.Markets)), Islands: 2, Population: 24, Seed: seed})
		improved := 0
		for iteration := 1; iteration <= iterations; iteration++ {
			for _, o := range search.Offspring(4) {
				result, err := strategy.Train(prices, strategy.Candidate{Genes: o.Genes})
				if err != nil {
					t.Fatal(err)
				}
				if search.Accept(o, result.Fitness) {
					improved = iteration
				}
			}
			search.Finish()
			if age := iteration - improved; age > 10 {
				t.Fatalf("seed %d: the champion of iteration %d is %d iterations old", seed, iteration, age)
			}
			for island := range search.Islands() {
				if d := meanDistance(search.Population(island)); d < 0.15 {
					t.Fatalf("seed %d: the diversity of island %d is %.3f in iteration %d", seed, island, d, iteration)
				}
			}
		}
	}
}

func TestFaultyModes(t *testing.T) {
	for _, test := range []struct {
		name          string
		mode          evolve.Mode
		wantCollapsed bool
	}{
		{"takeover", evolve.Takeover, true},
		{"standstill", evolve.Standstill, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			search := evolve.New(evolve.Config{Genes: 8, Islands: 2, Population: 10, Seed: 1})
			step := func() (improved bool) {
				for _, o := range search.Offspring(4) {
					improved = search.Accept(o, o.Genes[0]) || improved
				}
				search.Finish()
				return improved
			}
			for range 20 {
				step()
			}
			search.SetMode(test.mode)
			for range 30 {
				if step() {
					t.Fatal("the champion changed without variation")
				}
			}
			for island := range search.Islands() {
				if d := meanDistance(search.Population(island)); (d == 0) != test.wantCollapsed {
					t.Errorf("island %d has diversity %v", island, d)
				}
			}
		})
	}
}

// meanDistance is 1 where there are no pairs.
func meanDistance(population []evolve.Individual) float64 {
	var sum float64
	pairs := 0
	for i := range population {
		for j := range i {
			for k, gene := range population[i].Genes {
				sum += math.Abs(gene-population[j].Genes[k]) / float64(len(population[i].Genes))
			}
			pairs++
		}
	}
	if pairs == 0 {
		return 1
	}
	return sum / float64(pairs)
}
