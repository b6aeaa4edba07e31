// Package measure computes the diversity of a population of n genomes.
//
// Two individuals belong to the same class if and only if their distance is 0.
// Distances lie in [0,1]; an average over pairs leaves self pairs out.
package measure

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/evotel/evotel/semconv"
)

// Population is n genomes of one kind. Functions that return (value, false) have
// no value for a population of that kind or size.
type Population interface {
	// Len is n.
	Len() int
	// classes gives the sizes of the classes of equal genomes; their sum is n.
	classes() []int
	// distanceSum is the sum of the distances over all n(n-1)/2 pairs.
	distanceSum() float64
	// polymorphicLoci is the share of loci with more than one allele, for
	// genomes that have loci.
	polymorphicLoci() (float64, bool)
}

// Names lists the measures of Compute, the headline first.
func Names() []string {
	return []string{
		semconv.MeasureMeanPairwiseDistance, semconv.MeasureUniqueRatio, semconv.MeasureEntropy,
		semconv.MeasureHill1, semconv.MeasurePolymorphicLociRatio,
	}
}

// Compute gives the named measure of p, false where it has no value: a
// population of one has no pairs and no normalised entropy, an empty one nothing.
//
//   - mean_pairwise_distance: sum over i<j of d_ij, divided by n(n-1)/2. For
//     numeric genomes d is Gower's distance (Gower 1971, Biometrics 27, 857).
//   - unique_ratio: S/n with S classes.
//   - entropy: H/ln n with H = -sum p ln p over the classes' shares (Shannon
//     1948), in [0,1].
//   - hill_1: exp H, the effective number of classes of order 1 (Hill 1973,
//     Ecology 54, 427), in [1,n].
//   - polymorphic_loci_ratio: the share of loci with more than one allele.
func Compute(name string, p Population) (float64, bool) {
	n := p.Len()
	if n == 0 {
		return 0, false
	}
	switch name {
	case semconv.MeasureMeanPairwiseDistance:
		pairs := float64(n) * float64(n-1) / 2
		return clamp(p.distanceSum() / pairs), n > 1
	case semconv.MeasureUniqueRatio:
		return float64(len(p.classes())) / float64(n), true
	case semconv.MeasureEntropy:
		return clamp(shannon(p.classes(), n) / math.Log(float64(n))), n > 1
	case semconv.MeasureHill1:
		return math.Exp(shannon(p.classes(), n)), true
	case semconv.MeasurePolymorphicLociRatio:
		value, ok := p.polymorphicLoci()
		return value, ok && n > 1
	}
	return 0, false
}

// clamp takes rounding errors at the ends of [0,1] away.
func clamp(v float64) float64 { return min(max(v, 0), 1) }

// shannon is the entropy of the classes' shares in nats.
func shannon(classes []int, n int) float64 {
	var h float64
	for _, c := range classes {
		share := float64(c) / float64(n)
		h -= share * math.Log(share)
	}
	return max(h, 0)
}

func classSizes[K comparable](n int, key func(int) K) []int {
	count := make(map[K]int, n)
	for i := range n {
		count[key(i)]++
	}
	sizes := make([]int, 0, len(count))
	for _, c := range count {
		sizes = append(sizes, c)
	}
	slices.Sort(sizes) // the same sum whatever the order of the map
	return sizes
}

func pairs(c int) float64 { return float64(c) * float64(c-1) / 2 }

// Identities are names: equal or not.
type Identities []string

// Len is n.
func (p Identities) Len() int { return len(p) }

func (p Identities) classes() []int {
	return classSizes(len(p), func(i int) string { return p[i] })
}

func (p Identities) distanceSum() float64 {
	sum := pairs(len(p))
	for _, c := range p.classes() {
		sum -= pairs(c)
	}
	return sum
}

func (p Identities) polymorphicLoci() (float64, bool) { return 0, false }

// TokenSets are n sets; order and repetition of tokens mean nothing. The distance
// is Jaccard's, 1 - |A∩B|/|A∪B|, and 0 between two empty sets.
type TokenSets struct {
	sets   [][]int // the distinct sets, each sorted
	counts []int
	n      int
}

// NewTokenSets numbers the tokens and unites equal sets.
func NewTokenSets(genomes [][]string) TokenSets {
	numbers := map[string]int{}
	index := map[string]int{}
	p := TokenSets{n: len(genomes)}
	for _, tokens := range genomes {
		set := make([]int, len(tokens))
		for i, token := range tokens {
			number, ok := numbers[token]
			if !ok {
				number = len(numbers)
				numbers[token] = number
			}
			set[i] = number
		}
		slices.Sort(set)
		set = slices.Compact(set)
		var key strings.Builder
		for _, number := range set {
			key.WriteString(strconv.Itoa(number))
			key.WriteByte(',')
		}
		at, ok := index[key.String()]
		if !ok {
			at = len(p.sets)
			index[key.String()] = at
			p.sets = append(p.sets, set)
			p.counts = append(p.counts, 0)
		}
		p.counts[at]++
	}
	return p
}

// Len is n.
func (p TokenSets) Len() int { return p.n }

func (p TokenSets) classes() []int { return p.counts }

func (p TokenSets) distanceSum() float64 {
	var sum float64
	for i := range p.sets {
		for j := range i {
			sum += float64(p.counts[i]) * float64(p.counts[j]) * jaccard(p.sets[i], p.sets[j])
		}
	}
	return sum
}

func jaccard(a, b []int) float64 {
	shared := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			shared++
			i++
			j++
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	union := len(a) + len(b) - shared
	if union == 0 {
		return 0
	}
	return 1 - float64(shared)/float64(union)
}

func (p TokenSets) polymorphicLoci() (float64, bool) { return 0, false }

// Categorical is n rows of d alleles, all rows of one length d > 0. The distance
// is Hamming's divided by d.
type Categorical [][]int64

// Len is n.
func (p Categorical) Len() int { return len(p) }

func (p Categorical) classes() []int {
	return classSizes(len(p), func(i int) string {
		key := make([]byte, 0, 8*len(p[i]))
		for _, allele := range p[i] {
			key = appendUint64(key, uint64(allele))
		}
		return string(key)
	})
}

// distanceSum counts the alleles of each locus: O(nd).
func (p Categorical) distanceSum() float64 {
	if len(p) == 0 {
		return 0
	}
	var sum float64
	count := make(map[int64]int)
	for locus := range p[0] {
		clear(count)
		for _, genome := range p {
			count[genome[locus]]++
		}
		equal := 0.0
		for _, c := range count {
			equal += pairs(c)
		}
		sum += pairs(len(p)) - equal
	}
	return sum / float64(len(p[0]))
}

func (p Categorical) polymorphicLoci() (float64, bool) { return polymorphic(p) }

// Numeric is n rows of d finite genes, each scaled to [0,1] by the loop's own
// declared bounds, all rows of one length d > 0. The distance is Manhattan's
// divided by d, of the genes clipped to [0,1]; equality is of the genes as they
// came, with -0 equal to 0.
type Numeric [][]float64

// Len is n.
func (p Numeric) Len() int { return len(p) }

func (p Numeric) classes() []int {
	return classSizes(len(p), func(i int) string {
		key := make([]byte, 0, 8*len(p[i]))
		for _, gene := range p[i] {
			key = appendUint64(key, math.Float64bits(gene+0)) // -0 + 0 is 0
		}
		return string(key)
	})
}

// distanceSum sorts each locus: the gap between the k-th and the next value lies
// between k·(n-k) pairs. O(dn log n), and no term is negative, so that nothing
// cancels.
func (p Numeric) distanceSum() float64 {
	n := len(p)
	if n == 0 {
		return 0
	}
	var sum float64
	column := make([]float64, n)
	for locus := range p[0] {
		for i, genome := range p {
			column[i] = clamp(genome[locus])
		}
		slices.Sort(column)
		var locusSum float64
		for k := 1; k < n; k++ {
			locusSum += (column[k] - column[k-1]) * float64(k) * float64(n-k)
		}
		sum += locusSum
	}
	return sum / float64(len(p[0]))
}

func (p Numeric) polymorphicLoci() (float64, bool) { return polymorphic(p) }

// OutOfBounds counts the rows with a gene outside [0,1].
func (p Numeric) OutOfBounds() int {
	out := 0
	for _, genome := range p {
		if slices.ContainsFunc(genome, func(gene float64) bool { return gene < 0 || gene > 1 }) {
			out++
		}
	}
	return out
}

func polymorphic[T comparable](rows [][]T) (float64, bool) {
	if len(rows) == 0 || len(rows[0]) == 0 {
		return 0, false
	}
	loci := 0
	for locus, first := range rows[0] {
		if slices.ContainsFunc(rows, func(row []T) bool { return row[locus] != first }) {
			loci++
		}
	}
	return float64(loci) / float64(len(rows[0])), true
}

func appendUint64(b []byte, v uint64) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
}
