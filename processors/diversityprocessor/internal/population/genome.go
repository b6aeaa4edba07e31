package population

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// kind of a genome, told by its OTLP type.
type kind uint8

const (
	kindNone  kind = iota // no genome, or of a type that is none
	kindEmpty             // an empty array, which may be of any kind
	kindIdentity
	kindTokens
	kindCategorical
	kindNumeric
)

// form is what can be said of a genome without comparing it.
type form struct {
	kind      kind
	length    int
	tooLong   bool
	nonFinite bool // has a NaN or an infinity
	whole     bool // categorical, of integers only
}

// formOf looks at a genome. Integers among doubles are doubles: some encoders
// write 1.0 as 1. A genome that is too long is looked at up to the limit.
func formOf(genome pcommon.Value, maxGenes int) form {
	switch genome.Type() {
	case pcommon.ValueTypeStr:
		return form{kind: kindIdentity}
	case pcommon.ValueTypeSlice:
	default:
		return form{}
	}
	genes := genome.Slice()
	f := form{kind: kindEmpty, length: genes.Len()}
	if f.length == 0 {
		return f
	}
	f.tooLong = f.length > maxGenes
	looked := min(f.length, maxGenes)
	var strings, integers, booleans, doubles int
	for i := range looked {
		switch gene := genes.At(i); gene.Type() {
		case pcommon.ValueTypeDouble:
			doubles++
			if v := gene.Double(); math.IsNaN(v) || math.IsInf(v, 0) {
				f.nonFinite = true
			}
		case pcommon.ValueTypeInt:
			integers++
		case pcommon.ValueTypeBool:
			booleans++
		case pcommon.ValueTypeStr:
			strings++
		}
	}
	switch looked {
	case strings:
		f.kind = kindTokens
	case integers + booleans:
		f.kind, f.whole = kindCategorical, booleans == 0
	case doubles + integers:
		f.kind = kindNumeric
	default:
		f.kind = kindNone
	}
	return f
}

// as tells whether a genome can be one of a population of some kind.
func (f form) as(wanted kind) bool {
	return f.kind == wanted || f.kind == kindCategorical && f.whole && wanted == kindNumeric
}

func appendTokens(to []string, genes pcommon.Slice) []string {
	for i := range genes.Len() {
		to = append(to, genes.At(i).Str())
	}
	return to
}

func appendAlleles(to []int64, genes pcommon.Slice) []int64 {
	for i := range genes.Len() {
		switch gene := genes.At(i); {
		case gene.Type() == pcommon.ValueTypeInt:
			to = append(to, gene.Int())
		case gene.Bool():
			to = append(to, 1)
		default:
			to = append(to, 0)
		}
	}
	return to
}

func appendGenes(to []float64, genes pcommon.Slice) []float64 {
	for i := range genes.Len() {
		if gene := genes.At(i); gene.Type() == pcommon.ValueTypeInt {
			to = append(to, float64(gene.Int()))
		} else {
			to = append(to, gene.Double())
		}
	}
	return to
}
