package measure

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// maxSpectrum bounds the size of the matrix whose eigenvalues are computed, which
// takes time with the cube of its size, about half a second for the greatest;
// maxFilling what is spent on filling it.
const (
	maxSpectrum = 1000
	maxFilling  = 1e9
)

// vendi1 is exp(-sum l ln l) over the eigenvalues l of K/n.
func (p *Population) vendi1() (Estimate, bool) {
	if _, ok := p.genomes.(Identities); ok { // K's blocks are the classes
		return Estimate{Value: p.effective(math.Exp(p.classes().shannon()))}, true
	}
	kernel := p.kernel()
	if kernel == nil {
		return Estimate{}, false
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(kernel, false) {
		return Estimate{}, false
	}
	values := eigen.Values(nil) // in ascending order
	least := float64(p.n) * 0x1p-52 * values[len(values)-1]
	var h float64
	for _, l := range values {
		if l > least {
			h -= l * math.Log(l)
		}
	}
	return Estimate{Value: p.effective(math.Exp(h))}, true
}

// kernel is a matrix that has the eigenvalues of K/n, but for zeros, and nil where
// it would be too large: K between the classes, each row and column weighted by
// the square root of the class' size, or, of fewer alleles than classes, how often
// alleles occur together.
func (p *Population) kernel() *mat.SymDense {
	classes := p.classes()
	size := classes.count()
	if g, ok := p.genomes.(*Categorical); ok && g.alleles < size && g.alleles <= maxSpectrum &&
		float64(size)*pairsOf(g.loci+1) <= maxFilling {
		return g.occurTogether(classes)
	}
	if size > maxSpectrum || pairsOf(size)*float64(p.genomes.pairCost()) > maxFilling {
		return nil
	}
	kernel := mat.NewSymDense(size, nil)
	n := float64(p.n)
	for a, i := range classes.first {
		for b, j := range classes.first[:a+1] {
			weight := math.Sqrt(float64(classes.size[a]) * float64(classes.size[b]))
			kernel.SetSym(a, b, weight*(1-p.genomes.distance(i, j))/n)
		}
	}
	return kernel
}

// occurTogether is X'X/(n·loci), where X has a row for each genome and a column for
// each allele, 1 where the genome has it: K is XX'/loci.
func (g *Categorical) occurTogether(classes Classes) *mat.SymDense {
	together := mat.NewSymDense(g.alleles, nil)
	unit := 1 / (float64(g.n) * float64(g.loci))
	for class, i := range classes.first {
		row := g.row(i)
		for a, code := range row {
			for _, other := range row[:a+1] {
				together.SetSym(int(code), int(other), together.At(int(code), int(other))+float64(classes.size[class]))
			}
		}
	}
	together.ScaleSym(unit, together)
	return together
}
