package diversityprocessor

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
	"github.com/evotel/evotel/semconv"
)

// island identifies a snapshot within its resource.
type island struct {
	run, name       string
	hasRun, hasName bool
}

func islandOf(attributes pcommon.Map) island {
	var key island
	if v, ok := attributes.Get(semconv.AttrRunID); ok {
		key.run, key.hasRun = v.AsString(), true
	}
	if v, ok := attributes.Get(semconv.AttrIsland); ok {
		key.name, key.hasName = v.AsString(), true
	}
	return key
}

func (key island) put(attributes pcommon.Map) {
	if key.hasRun {
		attributes.PutStr(semconv.AttrRunID, key.run)
	}
	if key.hasName {
		attributes.PutStr(semconv.AttrIsland, key.name)
	}
}

// snapshot is the population of an island, as its points came.
type snapshot struct {
	individuals []individual
	timestamp   pcommon.Timestamp // of the latest point
	over        int               // individuals beyond the limit
	start       pcommon.Timestamp
}

type individual struct {
	fitness float64
	genome  genome
}

// kind of a genome, told by its OTLP type.
type kind int

const (
	kindNone   kind = iota // no genome, or of a type that is none
	kindEmpty              // an empty array, which may be of any kind
	kindString             // identity
	kindTokens
	kindCategorical
	kindNumeric
)

type genome struct {
	kind        kind
	tooLong     bool
	nonFinite   bool
	identity    string
	tokens      []string
	categorical []int64
	numeric     []float64
}

func (g genome) length() int {
	return len(g.categorical) + len(g.numeric) // one of them is nil
}

// parseGenome reads a genome attribute. Whole numbers among doubles are doubles:
// some encoders write 1.0 as an integer.
func parseGenome(value pcommon.Value, maxGenes int) genome {
	switch value.Type() {
	case pcommon.ValueTypeStr:
		return genome{kind: kindString, identity: value.Str()}
	case pcommon.ValueTypeSlice:
	default:
		return genome{}
	}
	slice := value.Slice()
	n := slice.Len()
	if n == 0 {
		return genome{kind: kindEmpty}
	}
	var strings, wholes, doubles int
	for i := range n {
		switch slice.At(i).Type() {
		case pcommon.ValueTypeStr:
			strings++
		case pcommon.ValueTypeInt, pcommon.ValueTypeBool:
			wholes++
		case pcommon.ValueTypeDouble:
			doubles++
		}
	}
	tooLong := n > maxGenes
	switch {
	case strings == n:
		g := genome{kind: kindTokens, tooLong: tooLong}
		for i := 0; i < n && !tooLong; i++ {
			g.tokens = append(g.tokens, slice.At(i).Str())
		}
		return g
	case wholes == n:
		g := genome{kind: kindCategorical, tooLong: tooLong}
		for i := 0; i < n && !tooLong; i++ {
			if v := slice.At(i); v.Type() == pcommon.ValueTypeInt {
				g.categorical = append(g.categorical, v.Int())
			} else if v.Bool() {
				g.categorical = append(g.categorical, 1)
			} else {
				g.categorical = append(g.categorical, 0)
			}
		}
		return g
	case doubles > 0 && doubles+wholes == n:
		g := genome{kind: kindNumeric, tooLong: tooLong}
		for i := 0; i < n && !tooLong; i++ {
			var gene float64
			switch v := slice.At(i); v.Type() {
			case pcommon.ValueTypeDouble:
				gene = v.Double()
			case pcommon.ValueTypeInt:
				gene = float64(v.Int())
			default: // a boolean among numbers is no gene
				return genome{}
			}
			g.numeric = append(g.numeric, gene)
			g.nonFinite = g.nonFinite || math.IsNaN(gene) || math.IsInf(gene, 0)
		}
		return g
	}
	return genome{}
}

// valid is what of a snapshot can be measured.
type valid struct {
	population measure.Population // nil when nothing is valid
	fitness    []float64          // the finite ones of the population
	counts     map[string]int     // individuals by validity
}

// validate leaves out what can't be compared with the rest and counts why. The
// kind and the length that most have are the population's; of equally many, the
// one seen first. An individual with genes out of bounds is valid, and counted
// as out_of_bounds besides.
func (s *snapshot) validate() valid {
	v := valid{counts: map[string]int{semconv.ValidityLimit: s.over}}
	wanted := mostCommon(s.individuals, func(i individual) (kind, bool) {
		return i.genome.kind, i.genome.kind > kindEmpty
	})
	if wanted == kindNone {
		// Nothing but empty arrays and missing genomes: empty token sets are
		// not told apart from empty arrays of numbers.
		wanted = kindEmpty
	}
	length := mostCommon(s.individuals, func(i individual) (int, bool) {
		g := i.genome
		return g.length(), g.kind == wanted && !g.tooLong && !g.nonFinite
	})

	var identities measure.Identities
	var tokens [][]string
	var categorical measure.Categorical
	var numeric measure.Numeric
	for _, i := range s.individuals {
		g := i.genome
		validity := semconv.ValidityValid
		switch {
		case g.kind == kindEmpty && wanted != kindTokens, g.kind == kindString && g.identity == "":
			validity = semconv.ValidityEmpty
		case g.kind != wanted && g.kind != kindEmpty:
			validity = semconv.ValidityMissing
		case g.tooLong:
			validity = semconv.ValidityLimit
		case g.nonFinite:
			validity = semconv.ValidityNonFinite
		case g.kind >= kindCategorical && g.length() != length:
			validity = semconv.ValidityLength
		}
		v.counts[validity]++
		if validity != semconv.ValidityValid {
			continue
		}
		switch wanted {
		case kindString:
			identities = append(identities, g.identity)
		case kindTokens:
			tokens = append(tokens, g.tokens)
		case kindCategorical:
			categorical = append(categorical, g.categorical)
		case kindNumeric:
			numeric = append(numeric, g.numeric)
		}
		if !math.IsNaN(i.fitness) && !math.IsInf(i.fitness, 0) {
			v.fitness = append(v.fitness, i.fitness)
		}
	}
	switch wanted {
	case kindString:
		v.population = identities
	case kindTokens:
		v.population = measure.NewTokenSets(tokens)
	case kindCategorical:
		v.population = categorical
	case kindNumeric:
		v.population = numeric
		v.counts[semconv.ValidityOutOfBounds] = numeric.OutOfBounds()
	}
	return v
}

// mostCommon gives the most frequent key of those that count, the first seen of
// equally frequent ones, and the zero value when none counts.
func mostCommon[K comparable](individuals []individual, key func(individual) (K, bool)) K {
	count := map[K]int{}
	var order []K
	for _, i := range individuals {
		k, ok := key(i)
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

// isSnapshot tells whether a metric carries individuals in the form agreed on.
func isSnapshot(metric pmetric.Metric) bool {
	return metric.Name() == semconv.IndividualFitness.Name && metric.Type() == pmetric.MetricTypeGauge
}

func pointValue(point pmetric.NumberDataPoint) float64 {
	if point.ValueType() == pmetric.NumberDataPointValueTypeInt {
		return float64(point.IntValue())
	}
	return point.DoubleValue()
}
