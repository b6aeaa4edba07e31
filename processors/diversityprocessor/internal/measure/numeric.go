package measure

import (
	"math"
	"slices"
)

// Numeric is n rows of finite genes, one a locus, each scaled to [0,1] by the
// loop's own declared bounds. The distance is the mean over the loci of the
// absolute difference (Manhattan, as a share of the greatest possible) of the
// genes clipped to [0,1]. Equality, and with it the classes, is of the genes as
// they came, with -0 equal to 0.
type Numeric struct {
	n, loci int
	genes   []float64 // the rows, one after the other, without -0
	clipped []float64 // genes itself where none is out of bounds
	outside int
}

// NewNumeric takes n rows of genes, one after the other, each with the same number
// of loci, which is at least one. It keeps the slice.
func NewNumeric(genes []float64, loci int) *Numeric {
	g := &Numeric{n: len(genes) / loci, loci: loci, genes: genes, clipped: genes}
	for i := range g.n {
		out := false
		for locus, gene := range g.row(i) {
			g.row(i)[locus] = gene + 0 // -0 becomes 0
			out = out || gene < 0 || gene > 1
		}
		if out {
			g.outside++
		}
	}
	if g.outside > 0 {
		g.clipped = make([]float64, len(genes))
		for i, gene := range genes {
			g.clipped[i] = clip(gene)
		}
	}
	return g
}

// Len is n.
func (g *Numeric) Len() int { return g.n }

// OutOfBounds counts the rows with a gene outside [0,1].
func (g *Numeric) OutOfBounds() int { return g.outside }

func (g *Numeric) row(i int) []float64 { return g.genes[i*g.loci : (i+1)*g.loci] }

func (g *Numeric) clippedRow(i int) []float64 { return g.clipped[i*g.loci : (i+1)*g.loci] }

func (g *Numeric) classify() Classes {
	return classifyRows(g.n, func(b []byte, i int) []byte {
		for _, gene := range g.row(i) {
			b = appendUint64(b, math.Float64bits(gene))
		}
		return b
	}, func(i, j int) bool { return slices.Equal(g.row(i), g.row(j)) })
}

func (g *Numeric) meanDistance(func() Classes) (float64, bool) {
	if g.n < pairsBelow {
		return g.meanOfPairs(), true
	}
	return g.meanOfSorted(newBuckets(g.n).sort), true
}

// meanOfPairs looks at every pair, O(n²·loci).
func (g *Numeric) meanOfPairs() float64 {
	var sum float64
	for i := range g.n {
		var row float64
		for j := range i {
			row += manhattan(g.clippedRow(i), g.clippedRow(j))
		}
		sum += row
	}
	return sum / pairsOf(g.n) / float64(g.loci)
}

func (g *Numeric) distance(i, j int) float64 {
	return manhattan(g.clippedRow(i), g.clippedRow(j)) / float64(g.loci)
}

func (g *Numeric) pairCost() int { return g.loci }

// manhattan is the sum of the absolute differences. Four sums do not wait for each
// other.
func manhattan(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0 += math.Abs(x[0] - y[0])
		s1 += math.Abs(x[1] - y[1])
		s2 += math.Abs(x[2] - y[2])
		s3 += math.Abs(x[3] - y[3])
	}
	for ; i < len(a); i++ {
		s0 += math.Abs(a[i] - b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// polymorphicLoci compares each row with the first, at the loci that have shown no
// second allele yet.
func (g *Numeric) polymorphicLoci() (float64, bool) {
	monomorphic := make([]int, g.loci)
	for locus := range monomorphic {
		monomorphic[locus] = locus
	}
	first := g.row(0)
	for i := 1; i < g.n && len(monomorphic) > 0; i++ {
		row := g.row(i)
		monomorphic = slices.DeleteFunc(monomorphic, func(locus int) bool { return row[locus] != first[locus] })
	}
	return float64(g.loci-len(monomorphic)) / float64(g.loci), true
}

// euclidean gives the distance |u_i-u_j|/sqrt(loci). Differences are scaled by a
// power of two where their squares would underflow.
func (g *Numeric) euclidean() func(i, j int) float64 {
	scale := 1.0
	if spread := g.greatestSpread(); spread > 0 && spread < 0x1p-400 {
		_, exponent := math.Frexp(spread)
		scale = math.Ldexp(1, min(-exponent, 1000))
	}
	norm := scale * math.Sqrt(float64(g.loci))
	return func(i, j int) float64 {
		a, b := g.clippedRow(i), g.clippedRow(j)
		b = b[:len(a)]
		var even, odd float64
		for k := 0; k+1 < len(a); k += 2 {
			x, y := scale*(a[k]-b[k]), scale*(a[k+1]-b[k+1])
			even += x * x
			odd += y * y
		}
		if last := len(a) - 1; last%2 == 0 {
			x := scale * (a[last] - b[last])
			even += x * x
		}
		return math.Sqrt(even+odd) / norm
	}
}

// greatestSpread is the greatest difference of two clipped genes of a locus.
func (g *Numeric) greatestSpread() float64 {
	lowest, highest := slices.Clone(g.clippedRow(0)), slices.Clone(g.clippedRow(0))
	for i := 1; i < g.n; i++ {
		for locus, gene := range g.clippedRow(i) {
			lowest[locus], highest[locus] = min(lowest[locus], gene), max(highest[locus], gene)
		}
	}
	var spread float64
	for locus := range lowest {
		spread = max(spread, highest[locus]-lowest[locus])
	}
	return spread
}
