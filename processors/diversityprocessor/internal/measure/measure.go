// Package measure computes the diversity of a population of n genomes.
//
// Two individuals belong to the same class if and only if their genomes are
// equal. Distances d lie in [0,1]; an average over pairs leaves self pairs out.
// Unless said otherwise values are exact but for rounding.
package measure

import (
	"math"

	"github.com/evotel/evotel/semconv"
)

// Genomes are n genomes of one kind: Identities, TokenSets, Categorical, Numeric.
type Genomes interface {
	// Len is n.
	Len() int
	// classify finds the classes of equal genomes.
	classify() Classes
	// meanDistance is the mean of d over all pairs i<j, false where only looking
	// at all pairs can tell.
	meanDistance(func() Classes) (float64, bool)
	// distance is d between two genomes, at a cost of pairCost comparisons of
	// about a nanosecond.
	distance(i, j int) float64
	pairCost() int
	// polymorphicLoci is the share of loci with more than one allele, false for
	// genomes without loci.
	polymorphicLoci() (float64, bool)
}

// Estimate is a value with the standard error that it has where it was computed
// from a sample of the pairs; 0 where it is exact.
type Estimate struct {
	Value, StandardError float64
}

// Population computes the measures of some genomes. What several measures need is
// computed once. It is for one goroutine.
type Population struct {
	genomes        Genomes
	n              int
	maxComparisons int
	found          *Classes
	mean           *float64 // of the distance, NaN where it is not known exactly
	moments        *moments
}

// New gives the population of some genomes. Where a measure has to look at pairs
// and all of them would take more than maxComparisons comparisons of two genes
// (numeric and categorical genomes) or of 64 tokens, it samples pairs.
func New(genomes Genomes, maxComparisons int) *Population {
	return &Population{genomes: genomes, n: genomes.Len(), maxComparisons: maxComparisons}
}

// Default lists the measures that are computed unless configured otherwise, the
// headline first.
func Default() []string {
	return []string{
		semconv.MeasureMeanPairwiseDistance, semconv.MeasureUniqueRatio, semconv.MeasureEntropy,
		semconv.MeasureHill1, semconv.MeasureVendi2, semconv.MeasurePolymorphicLociRatio,
	}
}

// All lists every measure.
func All() []string {
	return append(Default(), semconv.MeasureVendi1, semconv.MeasureMeanPairwiseEuclidean)
}

// IsEffectiveNumber tells whether a measure lies in [1,n] rather than in [0,1].
func IsEffectiveNumber(name string) bool {
	return name == semconv.MeasureHill1 || name == semconv.MeasureVendi1 || name == semconv.MeasureVendi2
}

// Compute gives the named measure, false where it has none: an empty population
// has no measures, a population of one none that looks at pairs or loci or is
// divided by ln n.
//
//   - mean_pairwise_distance: sum over i<j of d(i,j), divided by n(n-1)/2. With
//     d of numeric genomes as Gower's (Gower 1971, Biometrics 27, 857).
//   - unique_ratio: S/n, with S classes.
//   - entropy: H/ln n, with H = -sum p ln p over the classes' shares p (Shannon
//     1948, Bell System Technical Journal 27, 379).
//   - hill_1: exp H, the effective number of classes of order 1 (Hill 1973,
//     Ecology 54, 427).
//   - vendi_2: n²/sum over i,j of K(i,j)², with K = 1-d: the Vendi score of
//     order 2, without eigenvalues (Pasarkar and Dieng 2024, Cousins of the Vendi
//     Score). Of identities it is 1/sum p², Hill's number of order 2.
//   - polymorphic_loci_ratio: the share of loci with more than one allele (the
//     proportion of polymorphic loci of population genetics).
//   - vendi_1: exp(-sum l ln l) over the eigenvalues l of K/n (Friedman and
//     Dieng 2023, The Vendi Score). Of identities it is hill_1. None for
//     populations of more than maxSpectrum classes.
//   - mean_pairwise_euclidean: sum over i<j of |u_i-u_j|/sqrt(loci), divided by
//     n(n-1)/2; numeric genomes only.
func (p *Population) Compute(name string) (Estimate, bool) {
	if p.n == 0 {
		return Estimate{}, false
	}
	switch name {
	case semconv.MeasureMeanPairwiseDistance:
		return p.meanPairwiseDistance()
	case semconv.MeasureUniqueRatio:
		return Estimate{Value: float64(p.classes().count()) / float64(p.n)}, true
	case semconv.MeasureEntropy:
		if p.n < 2 {
			return Estimate{}, false
		}
		return Estimate{Value: clip(p.classes().shannon() / math.Log(float64(p.n)))}, true
	case semconv.MeasureHill1:
		return Estimate{Value: p.effective(math.Exp(p.classes().shannon()))}, true
	case semconv.MeasureVendi2:
		return p.vendi2(), true
	case semconv.MeasurePolymorphicLociRatio:
		ratio, ok := p.genomes.polymorphicLoci()
		return Estimate{Value: ratio}, ok && p.n > 1
	case semconv.MeasureVendi1:
		return p.vendi1()
	case semconv.MeasureMeanPairwiseEuclidean:
		return p.meanPairwiseEuclidean()
	}
	return Estimate{}, false
}

func (p *Population) classes() Classes {
	if p.found == nil {
		classes := p.genomes.classify()
		p.found = &classes
	}
	return *p.found
}

// exactMean is the mean of the distance over all pairs, NaN where only looking at
// all pairs can tell.
func (p *Population) exactMean() float64 {
	if p.mean == nil {
		mean, ok := p.genomes.meanDistance(p.classes)
		if !ok {
			mean = math.NaN()
		}
		p.mean = &mean
	}
	return *p.mean
}

func (p *Population) meanPairwiseDistance() (Estimate, bool) {
	if p.n < 2 {
		return Estimate{}, false
	}
	if mean := p.exactMean(); !math.IsNaN(mean) {
		return Estimate{Value: clip(mean)}, true
	}
	m := p.pairs()
	return Estimate{Value: clip(m.distance.Value), StandardError: m.distance.StandardError}, true
}

func (p *Population) meanPairwiseEuclidean() (Estimate, bool) {
	numeric, ok := p.genomes.(*Numeric)
	if !ok || p.n < 2 {
		return Estimate{}, false
	}
	m := p.overPairs(numeric.euclidean(), numeric.loci, 0)
	return Estimate{Value: clip(m.distance.Value), StandardError: m.distance.StandardError}, true
}

// clip takes rounding errors at the ends of [0,1] away, and -0.
func clip(v float64) float64 { return min(max(v, 0), 1) }

// effective takes rounding errors at the ends of [1,n] away.
func (p *Population) effective(v float64) float64 { return min(max(v, 1), float64(p.n)) }
