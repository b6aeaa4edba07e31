package measure

import (
	"encoding/binary"
	"slices"
)

// Categorical is n rows of alleles, one a locus. The distance is Hamming's, as a
// share of the loci.
type Categorical struct {
	n, loci int
	// codes are the rows, one after the other. A code numbers an allele of a
	// locus: alleles of different loci have different codes.
	codes []uint32
	// alleles is one more than the greatest code.
	alleles int
	// polymorphic is the number of loci with more than one allele.
	polymorphic int
}

// NewCategorical takes n rows of alleles, one after the other, each with the same
// number of loci, which is at least one.
func NewCategorical(alleles []int64, loci int) *Categorical {
	g := &Categorical{n: len(alleles) / loci, loci: loci, codes: make([]uint32, len(alleles))}
	if g.n == 0 {
		return g
	}
	lowest, highest := slices.Clone(alleles[:loci]), slices.Clone(alleles[:loci])
	for row := range g.n {
		for locus, allele := range alleles[row*loci : (row+1)*loci] {
			lowest[locus] = min(lowest[locus], allele)
			highest[locus] = max(highest[locus], allele)
		}
	}
	// Where the alleles of a locus lie close together their codes do, too.
	// Codes that are left unused never outnumber the genes.
	offset := make([]int64, loci)
	var scattered []int
	for locus := range loci {
		if lowest[locus] != highest[locus] {
			g.polymorphic++
		}
		span := uint64(highest[locus]) - uint64(lowest[locus])
		if span >= uint64(g.n) {
			scattered = append(scattered, locus)
			continue
		}
		offset[locus] = int64(g.alleles) - lowest[locus]
		g.alleles += int(span) + 1
	}
	for row := range g.n {
		codes := g.codes[row*loci : (row+1)*loci]
		for locus, allele := range alleles[row*loci : (row+1)*loci] {
			codes[locus] = uint32(allele + offset[locus])
		}
	}
	number := map[int64]uint32{}
	for _, locus := range scattered {
		clear(number)
		for at := locus; at < len(alleles); at += loci {
			code, ok := number[alleles[at]]
			if !ok {
				code = uint32(g.alleles)
				number[alleles[at]] = code
				g.alleles++
			}
			g.codes[at] = code
		}
	}
	return g
}

// Len is n.
func (g *Categorical) Len() int { return g.n }

func (g *Categorical) row(i int) []uint32 { return g.codes[i*g.loci : (i+1)*g.loci] }

func (g *Categorical) classify() Classes {
	return classifyRows(g.n, func(b []byte, i int) []byte {
		for _, code := range g.row(i) {
			b = binary.LittleEndian.AppendUint32(b, code)
		}
		return b
	}, func(i, j int) bool { return slices.Equal(g.row(i), g.row(j)) })
}

// meanDistance counts the alleles, O(n·loci): a pair that has the same allele of a
// locus does not differ in it. It works in whole numbers.
func (g *Categorical) meanDistance(func() Classes) (float64, bool) {
	count := make([]uint32, g.alleles)
	for _, code := range g.codes {
		count[code]++
	}
	var same uint64
	for _, c := range count {
		same += uint64(c) * (uint64(c) - 1) / 2
	}
	all := uint64(g.loci) * uint64(g.n) * uint64(g.n-1) / 2
	return float64(all-same) / float64(all), true
}

func (g *Categorical) distance(i, j int) float64 {
	a, b := g.row(i), g.row(j)
	b = b[:len(a)]
	differ := 0
	for locus, code := range a {
		if code != b[locus] {
			differ++
		}
	}
	return float64(differ) / float64(g.loci)
}

func (g *Categorical) pairCost() int { return g.loci }

func (g *Categorical) polymorphicLoci() (float64, bool) {
	return float64(g.polymorphic) / float64(g.loci), true
}
