package population

import (
	"math"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
	"github.com/evotel/evotel/semconv"
)

// Validities lists the values of evolution.individual.validity.
func Validities() []string {
	return []string{
		semconv.ValidityValid, semconv.ValidityNonFinite, semconv.ValidityLength, semconv.ValidityEmpty,
		semconv.ValidityMissing, semconv.ValidityOutOfBounds, semconv.ValidityLimit,
	}
}

// Valid is what of a snapshot can be measured.
type Valid struct {
	// Genomes is nil when none is valid.
	Genomes measure.Genomes
	// Fitness has the finite fitness values of the valid individuals.
	Fitness []float64
	// Counts has the individuals by validity. Those that are out of bounds are
	// valid, and counted twice.
	Counts map[string]int
}

// Validate leaves out what can't be compared with the rest, and counts why. The
// kind and the length that most have are the population's; of equally many, those
// seen first.
func (s *Snapshot) Validate(maxGenes int) Valid {
	for i := range s.individuals {
		if one := &s.individuals[i]; one.hasGenome {
			one.form = formOf(one.genome, maxGenes)
		}
	}
	wanted := mostCommon(s.individuals, func(f form) (kind, bool) { return f.kind, f.kind > kindEmpty })
	if wanted == kindNone {
		// Of empty arrays only those of tokens make a genome.
		wanted = kindTokens
	}
	length := mostCommon(s.individuals, func(f form) (int, bool) {
		return f.length, f.as(wanted) && !f.tooLong && !f.nonFinite
	})

	v := Valid{Counts: map[string]int{semconv.ValidityLimit: s.Beyond}, Fitness: make([]float64, 0, len(s.individuals))}
	valid := s.individuals[:0]
	for _, one := range s.individuals {
		validity := one.validity(wanted, length)
		v.Counts[validity]++
		if validity != semconv.ValidityValid {
			continue
		}
		valid = append(valid, one)
		if !math.IsNaN(one.fitness) && !math.IsInf(one.fitness, 0) {
			v.Fitness = append(v.Fitness, one.fitness)
		}
	}
	s.individuals = valid
	if len(valid) == 0 {
		return v
	}
	switch wanted {
	case kindIdentity:
		v.Genomes = identities(valid)
	case kindTokens:
		v.Genomes = tokenSets(valid)
	case kindCategorical:
		v.Genomes = categorical(valid, length)
	default:
		numeric := numeric(valid, length)
		v.Counts[semconv.ValidityOutOfBounds] = numeric.OutOfBounds()
		v.Genomes = numeric
	}
	return v
}

// validity tells what keeps an individual out of a population of some kind and
// length.
func (one individual) validity(wanted kind, length int) string {
	f := one.form
	switch {
	case f.kind == kindEmpty && wanted != kindTokens, f.kind == kindIdentity && one.genome.Str() == "":
		return semconv.ValidityEmpty
	case !f.as(wanted) && f.kind != kindEmpty:
		return semconv.ValidityMissing
	case f.tooLong:
		return semconv.ValidityLimit
	case f.nonFinite:
		return semconv.ValidityNonFinite
	case wanted >= kindCategorical && f.length != length:
		return semconv.ValidityLength
	}
	return semconv.ValidityValid
}

// mostCommon gives the most frequent key of the forms that count, the first seen of
// equally frequent ones, and the zero value when none counts.
func mostCommon[K comparable](individuals []individual, key func(form) (K, bool)) K {
	count := map[K]int{}
	var order []K
	for i := range individuals {
		k, ok := key(individuals[i].form)
		if !ok {
			continue
		}
		if count[k] == 0 {
			order = append(order, k)
		}
		count[k]++
	}
	var best K
	most := 0
	for _, k := range order {
		if count[k] > most {
			best, most = k, count[k]
		}
	}
	return best
}

func identities(valid []individual) measure.Identities {
	names := make(measure.Identities, len(valid))
	for i, one := range valid {
		names[i] = one.genome.Str()
	}
	return names
}

func tokenSets(valid []individual) *measure.TokenSets {
	total := 0
	for _, one := range valid {
		total += one.form.length
	}
	tokens := make([]string, 0, total)
	sets := make([][]string, len(valid))
	for i, one := range valid {
		begin := len(tokens)
		tokens = appendTokens(tokens, one.genome.Slice())
		sets[i] = tokens[begin:]
	}
	return measure.NewTokenSets(sets)
}

func categorical(valid []individual, loci int) *measure.Categorical {
	alleles := make([]int64, 0, len(valid)*loci)
	for _, one := range valid {
		alleles = appendAlleles(alleles, one.genome.Slice())
	}
	return measure.NewCategorical(alleles, loci)
}

func numeric(valid []individual, loci int) *measure.Numeric {
	genes := make([]float64, 0, len(valid)*loci)
	for _, one := range valid {
		genes = appendGenes(genes, one.genome.Slice())
	}
	return measure.NewNumeric(genes, loci)
}
