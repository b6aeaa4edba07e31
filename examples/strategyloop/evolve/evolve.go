// Package evolve is a steady-state genetic algorithm on islands: each iteration
// asks for a few new individuals, which somebody else scores, and takes them in
// one by one. It is deterministic: the same seed and the same fitness values, the
// same run.
//
// Half of the new individuals explore: random ones while an island is not full,
// then children of two parents, and now and then a newcomer. Each may only
// replace the individual that is most like it, and only if it is better
// (restricted tournament replacement; Harik, "Finding Multimodal Solutions Using
// Restricted Tournament Selection", 1995), which keeps different solutions alive.
// The other half refine the champion: small Gaussian steps, whose size grows with
// success and shrinks without (after Rechenberg's 1/5 rule, Evolutionsstrategie,
// 1973).
package evolve

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Config says what to evolve.
type Config struct {
	// Genes is the length of a genome.
	Genes int
	// Islands and Population are the number of islands, and of individuals on
	// each when it is full.
	Islands, Population int
	// Seed makes runs differ.
	Seed uint64
}

// Individual is a scored genome.
type Individual struct {
	// ID is unique in the run.
	ID string
	// Fitness is better when greater.
	Fitness float64
	// Genes lie in [0,1]. They are never changed.
	Genes []float64
}

// Offspring is a genome that is not scored yet.
type Offspring struct {
	ID    string
	Genes []float64
	// Island is where it will live.
	Island int

	// refines is the individual that this is a refinement of, if it is one;
	// planned, if its step was the stride.
	refines *Individual
	planned bool
}

// Mode is how the search goes.
type Mode int

const (
	// Searching is as it should be.
	Searching Mode = iota
	// Takeover has no variation, and lets the best of each island take the place
	// of the worse half in every iteration. The population collapses.
	Takeover
	// Standstill has no variation and no takeover. Nothing changes any more.
	Standstill
)

const (
	// newcomers is the share of exploring offspring that are random.
	newcomers = 0.1
	// mutation is the standard deviation of exploring mutations.
	mutation = 0.1
	// mutatedGenes is the mean number of genes that a mutation changes.
	mutatedGenes = 3
	// spacing is the least distance between two individuals, champions excepted.
	spacing = 0.15
	// migrateEvery is the number of iterations after which each island's best
	// travels to the next island.
	migrateEvery = 25

	// The step of refinement and its change with success and failure, which is
	// steady where two in five steps succeed.
	firstStep, minStep, maxStep = 0.05, 1e-7, 0.2
	stepUp, stepDown            = 1.5, 0.75
)

// Evolution is a run in progress. It is not safe for concurrent use.
type Evolution struct {
	config    Config
	random    *rand.Rand
	islands   [][]Individual
	mode      Mode
	champion  Individual
	home      int // the champion's island
	found     bool
	step      float64
	stride    []float64 // the step to be tried next, if any
	made      int
	turn      int // of the islands
	iteration int
}

// New begins a run. All fields of the config but Seed must be positive.
func New(c Config) *Evolution {
	return &Evolution{
		config:  c,
		random:  rand.New(rand.NewPCG(c.Seed, 0x9e3779b97f4a7c15)),
		islands: make([][]Individual, c.Islands),
		step:    firstStep,
	}
}

// SetMode changes how the search goes on.
func (e *Evolution) SetMode(m Mode) { e.mode = m }

// Islands is the number of islands.
func (e *Evolution) Islands() int { return len(e.islands) }

// Population returns the individuals of an island. The slice is valid until the
// next call.
func (e *Evolution) Population(island int) []Individual { return e.islands[island] }

// Champion returns the best individual ever accepted, false before there is one.
func (e *Evolution) Champion() (Individual, bool) { return e.champion, e.found }

// Offspring makes n genomes to be scored.
func (e *Evolution) Offspring(n int) []Offspring {
	offspring := make([]Offspring, n)
	for i := range offspring {
		island := e.turn % len(e.islands)
		full := len(e.islands[island]) >= e.config.Population
		switch {
		case e.mode != Searching && len(e.islands[island]) > 0:
			e.turn++
			parent := e.tournament(island)
			offspring[i] = Offspring{Genes: parent.Genes, Island: island}
		case e.found && i%2 == 0:
			offspring[i] = e.refinement()
		default:
			e.turn++
			offspring[i] = Offspring{Genes: e.explore(island, full), Island: island}
		}
		e.made++
		offspring[i].ID = fmt.Sprintf("%06d", e.made)
	}
	return offspring
}

// explore makes the genes of a newcomer or of a child.
func (e *Evolution) explore(island int, full bool) []float64 {
	if !full || e.random.Float64() < newcomers {
		genes := make([]float64, e.config.Genes)
		for i := range genes {
			genes[i] = e.random.Float64()
		}
		return genes
	}
	mother, father := e.tournament(island), e.tournament(island)
	genes := make([]float64, e.config.Genes)
	for i := range genes {
		genes[i] = mother.Genes[i]
		if e.random.IntN(2) == 0 {
			genes[i] = father.Genes[i]
		}
	}
	return e.mutate(genes, mutation)
}

// refinement steps from the champion: as planned, or somewhere near.
func (e *Evolution) refinement() Offspring {
	parent := e.champion
	o := Offspring{Island: e.home, refines: &parent}
	if e.stride != nil {
		o.Genes = make([]float64, len(parent.Genes))
		for i, g := range parent.Genes {
			o.Genes[i] = min(1, max(0, g+e.stride[i]))
		}
		e.stride, o.planned = nil, true
		return o
	}
	o.Genes = e.mutate(parent.Genes, e.step*math.Exp(e.random.NormFloat64()))
	return o
}

// mutate returns genes of which a few were changed.
func (e *Evolution) mutate(genes []float64, deviation float64) []float64 {
	mutant := append([]float64(nil), genes...)
	share := min(1, mutatedGenes/float64(len(genes)))
	forced := e.random.IntN(len(genes)) // at least one
	for i := range mutant {
		if i == forced || e.random.Float64() < share {
			mutant[i] = reflect(mutant[i] + deviation*e.random.NormFloat64())
		}
	}
	return mutant
}

// reflect folds a value that left [0,1] back at the bound.
func reflect(v float64) float64 {
	if v < 0 {
		v = -v
	}
	if v > 1 {
		v = 2 - v
	}
	return min(1, max(0, v))
}

// tournament returns the better of two random individuals of an island that is
// not empty.
func (e *Evolution) tournament(island int) Individual {
	population := e.islands[island]
	a, b := population[e.random.IntN(len(population))], population[e.random.IntN(len(population))]
	if b.Fitness > a.Fitness {
		return b
	}
	return a
}

// Accept takes in an offspring that was scored, and reports whether it is the
// new champion: better than all before it.
func (e *Evolution) Accept(o Offspring, fitness float64) bool {
	individual := Individual{ID: o.ID, Fitness: fitness, Genes: o.Genes}
	if o.refines != nil {
		e.adapt(o, fitness)
	}
	e.settle(o.Island, individual)
	if e.found && fitness <= e.champion.Fitness {
		return false
	}
	e.champion, e.home, e.found = individual, o.Island, true
	return true
}

// adapt learns from a refinement. What succeeded is tried again, further; the
// opposite of what failed is tried once.
func (e *Evolution) adapt(o Offspring, fitness float64) {
	again := stepUp
	if fitness > o.refines.Fitness {
		e.step = min(maxStep, e.step*stepUp)
	} else {
		e.step = max(minStep, e.step*stepDown)
		again = -1
		if o.planned {
			return
		}
	}
	e.stride = make([]float64, len(o.Genes))
	for i, g := range o.Genes {
		e.stride[i] = again * (g - o.refines.Genes[i])
	}
}

// settle gives an individual a place on an island, if it deserves one.
func (e *Evolution) settle(island int, newcomer Individual) {
	population := e.islands[island]
	if len(population) < e.config.Population {
		e.islands[island] = append(population, newcomer)
		return
	}
	nearest, least, second := 0, math.Inf(1), math.Inf(1)
	for i, other := range population {
		switch d := distance(newcomer.Genes, other.Genes); {
		case d < least:
			nearest, least, second = i, d, least
		case d < second:
			second = d
		}
	}
	if newcomer.Fitness > population[nearest].Fitness && (second >= spacing || newcomer.Fitness > e.champion.Fitness) {
		population[nearest] = newcomer
	}
}

// distance is the mean absolute difference of two genomes.
func distance(a, b []float64) float64 {
	var sum float64
	for i, g := range a {
		sum += math.Abs(g - b[i])
	}
	return sum / float64(len(a))
}

// Finish ends an iteration.
func (e *Evolution) Finish() {
	e.iteration++
	switch {
	case e.mode == Takeover:
		for island := range e.islands {
			e.takeOver(island)
		}
	case e.mode == Searching && e.iteration%migrateEvery == 0:
		e.migrate()
	}
}

func (e *Evolution) migrate() {
	n := len(e.islands)
	if n < 2 {
		return
	}
	travellers := make([]*Individual, n)
	for island := range e.islands {
		if best := e.best(island); best != nil {
			traveller := *best
			travellers[island] = &traveller
		}
	}
	for island, traveller := range travellers {
		if traveller != nil {
			e.settle((island+1)%n, *traveller)
		}
	}
}

func (e *Evolution) best(island int) *Individual {
	var best *Individual
	for i := range e.islands[island] {
		if one := &e.islands[island][i]; best == nil || one.Fitness > best.Fitness {
			best = one
		}
	}
	return best
}

// takeOver replaces each loser of a pairing with the island's best by a copy of
// the best; half of the others are so paired.
func (e *Evolution) takeOver(island int) {
	best := e.best(island)
	if best == nil {
		return
	}
	for i := range e.islands[island] {
		if e.random.IntN(2) == 0 {
			e.made++
			e.islands[island][i] = Individual{ID: fmt.Sprintf("%06d", e.made), Fitness: best.Fitness, Genes: best.Genes}
		}
	}
}
