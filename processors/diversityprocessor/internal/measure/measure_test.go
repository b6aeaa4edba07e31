package measure

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/evotel/evotel/semconv"
)

const exactly = math.MaxInt

func compute(t *testing.T, g Genomes, name string) float64 {
	t.Helper()
	e, ok := New(g, exactly).Compute(name)
	require.True(t, ok)
	assert.Zero(t, e.StandardError)
	return e.Value
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func randomNumeric(n, loci int) *Numeric {
	r := random(uint64(n * loci))
	genes := make([]float64, n*loci)
	for i := range genes {
		genes[i] = r.Float64()
	}
	return NewNumeric(genes, loci)
}

func randomCategorical(n, loci int, alleles int64) *Categorical {
	r := random(uint64(n * loci))
	genes := make([]int64, n*loci)
	for i := range genes {
		genes[i] = r.Int64N(alleles)
	}
	return NewCategorical(genes, loci)
}

func randomTokens(n, size, distinct int) *TokenSets {
	r := random(uint64(n * size))
	sets := make([][]string, n)
	for i := range sets {
		for range r.IntN(size + 1) {
			sets[i] = append(sets[i], fmt.Sprint(r.IntN(distinct)))
		}
	}
	return NewTokenSets(sets)
}

func kinds() map[string]Genomes {
	sampleOf := func(g *Numeric, rows ...int) *Numeric {
		var genes []float64
		for _, i := range rows {
			genes = append(genes, g.row(i)...)
		}
		return NewNumeric(genes, g.loci)
	}
	base := randomNumeric(5, 3)
	return map[string]Genomes{
		"identities":               Identities{"a", "b", "a", "c", "a", "c"},
		"numeric, few":             randomNumeric(7, 5),
		"numeric":                  randomNumeric(150, 9),
		"numeric, many":            randomNumeric(310, 2),
		"numeric, clones":          sampleOf(base, 0, 1, 2, 2, 3, 4, 0, 0, 4, 1),
		"numeric, out of bounds":   NewNumeric([]float64{-1, 0.5, 2, 0.25, 3, 0.25}, 2),
		"categorical":              randomCategorical(60, 7, 3),
		"categorical, long":        randomCategorical(9, 40, 3),
		"categorical, clones":      randomCategorical(90, 2, 3),
		"categorical, scattered":   randomCategorical(50, 3, math.MaxInt64),
		"categorical, both ends":   NewCategorical([]int64{math.MinInt64, 1, math.MaxInt64, 1, math.MinInt64, 2}, 2),
		"tokens, as lists":         randomTokens(40, 4, 5000),
		"tokens, as bitsets":       randomTokens(40, 30, 100),
		"tokens, some sets empty":  randomTokens(60, 2, 3),
		"tokens, one set after 64": randomTokens(10, 90, 130),
	}
}

// What the definitions say, pair by pair, must come out whatever the way.
func TestDefinitions(t *testing.T) {
	for name, g := range kinds() {
		t.Run(name, func(t *testing.T) {
			n := g.Len()
			var distances, squares float64
			same := make([]float64, n)
			for i := range n {
				for j := range n {
					d := g.distance(i, j)
					distances += d
					squares += (1 - d) * (1 - d)
					if equal(g, i, j) {
						same[i]++
					}
				}
			}
			var shannon, classes float64
			for i := range n {
				shannon -= math.Log(same[i]/float64(n)) / float64(n)
				classes += 1 / same[i]
			}
			size := float64(n)
			assert.InDelta(t, distances/size/(size-1), compute(t, g, semconv.MeasureMeanPairwiseDistance), 1e-13)
			assert.InDelta(t, classes/size, compute(t, g, semconv.MeasureUniqueRatio), 1e-13)
			assert.InDelta(t, shannon/math.Log(size), compute(t, g, semconv.MeasureEntropy), 1e-13)
			assert.InEpsilon(t, math.Exp(shannon), compute(t, g, semconv.MeasureHill1), 1e-13)
			assert.InEpsilon(t, size*size/squares, compute(t, g, semconv.MeasureVendi2), 1e-12)
			assert.InEpsilon(t, vendi1OfAll(g), compute(t, g, semconv.MeasureVendi1), 1e-11)
		})
	}
}

// vendi1OfAll takes the matrix of all individuals.
func vendi1OfAll(g Genomes) float64 {
	n := g.Len()
	kernel := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			kernel.SetSym(i, j, (1-g.distance(i, j))/float64(n))
		}
	}
	var eigen mat.EigenSym
	eigen.Factorize(kernel, false)
	var h float64
	for _, l := range eigen.Values(nil) {
		if l > 1e-14 {
			h -= l * math.Log(l)
		}
	}
	return math.Exp(h)
}

func equal(g Genomes, i, j int) bool {
	if numeric, ok := g.(*Numeric); ok {
		for locus, gene := range numeric.row(i) {
			if gene != numeric.row(j)[locus] {
				return false
			}
		}
		return true
	}
	return g.distance(i, j) == 0
}

func TestSmallPopulations(t *testing.T) {
	for name, empty := range map[string]Genomes{
		"identities": Identities{}, "tokens": NewTokenSets(nil), "categorical": NewCategorical(nil, 3), "numeric": NewNumeric(nil, 3),
	} {
		for _, measure := range All() {
			_, ok := New(empty, exactly).Compute(measure)
			assert.False(t, ok, "%s %s", measure, name)
		}
	}
	for name, one := range map[string]Genomes{
		"identities": Identities{"a"}, "tokens": NewTokenSets([][]string{{}}),
		"categorical": NewCategorical([]int64{1, 2}, 2), "numeric": NewNumeric([]float64{1, 2}, 2),
	} {
		got := map[string]float64{}
		for _, measure := range All() {
			if e, ok := New(one, exactly).Compute(measure); ok {
				got[measure] = e.Value
			}
		}
		assert.Equal(t, map[string]float64{"unique_ratio": 1, "hill_1": 1, "vendi_2": 1, "vendi_1": 1}, got, name)
	}
}

func TestUnknownMeasure(t *testing.T) {
	_, ok := New(Identities{"a", "b"}, exactly).Compute("spread")
	assert.False(t, ok)
}

func TestMeanDistanceOfSortedIsThatOfPairs(t *testing.T) {
	shapes := map[string]func(u float64, i int) float64{
		"uniform":      func(u float64, _ int) float64 { return u },
		"two clusters": func(u float64, i int) float64 { return 0.2 + 0.6*float64(i%2) + 1e-8*u },
		"one far away": func(u float64, i int) float64 { return 1e-9*u + float64(max(0, 1-i)) },
		"levels":       func(u float64, _ int) float64 { return math.Floor(5*u) / 4 },
		"exponential":  func(u float64, _ int) float64 { return math.Exp(-700 * u) },
		"subnormal":    func(u float64, _ int) float64 { return 1e-320 * u },
		"constant":     func(float64, int) float64 { return 0.3 },
		"converged":    func(u float64, _ int) float64 { return 0.3 + 1e-15*u },
	}
	for shape, of := range shapes {
		for _, n := range []int{2, 3, 23, 24, 100, 199, 200, 700} {
			g := randomNumeric(n, 3)
			for i := range g.genes {
				g.genes[i] = of(g.genes[i], i/3)
			}
			pairs, sorted := g.meanOfPairs(), g.meanOfSorted(newBuckets(g.n).sort)
			assert.InDelta(t, pairs, sorted, 1e-13*pairs, "%s, %d", shape, n)
		}
	}
}

// The README's value: scaled by the declared bounds, a population within 1e-8
// keeps all its digits.
func TestCollapseKeepsItsDigits(t *testing.T) {
	const n = 1000
	genes := make([]float64, n)
	r := random(3)
	for i := range genes {
		genes[i] = 0.5 + 1e-8*r.Float64()
	}
	sum := new(big.Float).SetPrec(200)
	for i, x := range genes {
		for _, y := range genes[:i] {
			sum.Add(sum, big.NewFloat(math.Abs(x-y)).SetPrec(200))
		}
	}
	want, _ := sum.Quo(sum, big.NewFloat(n*(n-1)/2)).Float64()
	assert.InEpsilon(t, want, compute(t, NewNumeric(genes, 1), semconv.MeasureMeanPairwiseDistance), 1e-14)
}

func TestTinyEntropyKeepsItsDigits(t *testing.T) {
	names := make(Identities, 1_000_000)
	names[0] = "mutant"
	const p = 1e-6
	want := -p*math.Log(p) - (1-p)*math.Log1p(-p)
	assert.InEpsilon(t, want/math.Log(1e6), compute(t, names, semconv.MeasureEntropy), 1e-13)
}

func TestEuclideanNeitherOverflowsNorVanishes(t *testing.T) {
	for _, scale := range []float64{0.2, 1e-100, 1e-200, 1e-300, 5e-324} {
		got := compute(t, NewNumeric([]float64{0, 0, 3 * scale, 4 * scale}, 2), semconv.MeasureMeanPairwiseEuclidean)
		want := 5 / math.Sqrt2 * scale
		assert.InDelta(t, want, got, 1e-14*want+5e-324, "%v", scale)
	}
}

func TestEuclideanIsForNumericGenomes(t *testing.T) {
	for name, g := range kinds() {
		_, numeric := g.(*Numeric)
		_, ok := New(g, exactly).Compute(semconv.MeasureMeanPairwiseEuclidean)
		assert.Equal(t, numeric, ok, name)
	}
}

func TestPolymorphicLoci(t *testing.T) {
	assert.InDelta(t, 1.0/3, compute(t, NewNumeric([]float64{1, 2, 0, 1, 3, math.Copysign(0, -1), 1, 4, 0}, 3), semconv.MeasurePolymorphicLociRatio), 1e-15)
	assert.InDelta(t, 0.5, compute(t, NewCategorical([]int64{1, 2, 1, 3}, 2), semconv.MeasurePolymorphicLociRatio), 1e-15)
	for _, g := range []Genomes{Identities{"a", "b"}, NewTokenSets([][]string{{"a"}, {"b"}})} {
		_, ok := New(g, exactly).Compute(semconv.MeasurePolymorphicLociRatio)
		assert.False(t, ok, "they have no loci")
	}
}

// The eigenvalues of classes, of alleles and of individuals are the same.
func TestVendi1WhateverTheMatrix(t *testing.T) {
	g := randomCategorical(120, 4, 2) // 16 classes, 8 alleles
	classes := g.classify()
	require.Less(t, g.alleles, classes.count())
	byAlleles := compute(t, g, semconv.MeasureVendi1)

	long := NewCategorical(append([]int64{}, alleles(g, 8)...), 4*8) // each locus 8 times: 64 alleles
	require.Greater(t, long.alleles, classes.count())
	assert.InDelta(t, byAlleles, compute(t, long, semconv.MeasureVendi1), 1e-12)
}

// alleles writes each locus several times.
func alleles(g *Categorical, times int) []int64 {
	var all []int64
	for i := range g.n {
		for _, code := range g.row(i) {
			for range times {
				all = append(all, int64(code))
			}
		}
	}
	return all
}

func TestVendi1HasALimit(t *testing.T) {
	_, ok := New(randomNumeric(maxSpectrum+1, 1), exactly).Compute(semconv.MeasureVendi1)
	assert.False(t, ok)
	_, ok = New(randomNumeric(maxSpectrum, 2100), exactly).Compute(semconv.MeasureVendi1)
	assert.False(t, ok)
	clones := make([]float64, 10*maxSpectrum)
	assert.InDelta(t, 1, compute(t, NewNumeric(clones, 1), semconv.MeasureVendi1), 1e-12, "clones are one class")
}

func TestSampledEstimates(t *testing.T) {
	for name, g := range map[string]Genomes{
		"numeric":      randomNumeric(1000, 4),
		"two clusters": twoClusters(1000),
		"categorical":  randomCategorical(1000, 12, 2),
		"tokens":       randomTokens(1000, 8, 40),
	} {
		for _, measure := range []string{semconv.MeasureMeanPairwiseDistance, semconv.MeasureVendi2, semconv.MeasureMeanPairwiseEuclidean} {
			t.Run(name+" "+measure, func(t *testing.T) {
				exact, ok := New(g, exactly).Compute(measure)
				if !ok {
					t.Skip("has no such measure")
				}
				got, _ := New(g, 20_000*g.pairCost()).Compute(measure)
				again, _ := New(g, 20_000*g.pairCost()).Compute(measure)
				assert.Equal(t, got, again, "every Collector must get the same")
				assert.InDelta(t, exact.Value, got.Value, 4*got.StandardError+1e-12)
				assert.Less(t, got.StandardError, 0.05*exact.Value)
			})
		}
	}
}

func twoClusters(n int) *Numeric {
	g := randomNumeric(n, 3)
	for i := range g.genes {
		g.genes[i] = 0.1*g.genes[i] + 0.9*float64(i/3%2)
	}
	return g
}

// Over many populations the errors must be as large as the standard error says.
func TestStandardErrorIsHonest(t *testing.T) {
	const trials = 150
	for name, of := range map[string]func(seed int) Genomes{
		"numeric":      func(seed int) Genomes { return randomNumeric(100+seed, 3) },
		"two clusters": func(seed int) Genomes { return twoClusters(200 + seed) },
		"tokens":       func(seed int) Genomes { return randomTokens(100+seed, 6, 30) },
	} {
		var squares float64
		for seed := range trials {
			g := of(seed)
			exact, _ := New(g, exactly).Compute(semconv.MeasureVendi2)
			got, _ := New(g, 20*g.Len()*g.pairCost()).Compute(semconv.MeasureVendi2)
			require.Positive(t, got.StandardError)
			squares += (got.Value - exact.Value) * (got.Value - exact.Value) / got.StandardError / got.StandardError
		}
		// With 20 shifts the ratio follows Student's t of 19 degrees of freedom,
		// whose variance is 1.12; 150 trials tell it to 15 %.
		assert.InDelta(t, 1.1, squares/trials, 0.45, name)
	}
}

func TestCollidingHashesAreTold(t *testing.T) {
	rows := []int{1, 2, 1, 3, 2, 1}
	c := classifyRows(len(rows), func(b []byte, _ int) []byte { return b }, func(i, j int) bool { return rows[i] == rows[j] })
	assert.Equal(t, Classes{n: 6, first: []int{0, 1, 3}, size: []int{3, 2, 1}}, c)
}

func FuzzNumeric(f *testing.F) {
	f.Add([]byte("some bytes to make genes of, at least three rows of them"), uint8(2))
	f.Fuzz(func(t *testing.T, bytes []byte, loci uint8) {
		width := int(loci%8) + 1
		var genes []float64
		for ; len(bytes) >= 8; bytes = bytes[8:] {
			var bits uint64
			for _, b := range bytes[:8] {
				bits = bits<<8 | uint64(b)
			}
			if gene := math.Float64frombits(bits); !math.IsNaN(gene) && !math.IsInf(gene, 0) {
				genes = append(genes, gene)
			}
		}
		g := NewNumeric(genes[:len(genes)/width*width], width)
		if g.Len() > 1 {
			pairs := g.meanOfPairs()
			if sorted := g.meanOfSorted(newBuckets(g.Len()).sort); math.Abs(pairs-sorted) > 1e-12*pairs+5e-324 {
				t.Fatalf("%v by pairs, %v by sorting", pairs, sorted)
			}
		}
		for _, budget := range []int{0, exactly} {
			for _, name := range All() {
				e, ok := New(g, budget).Compute(name)
				low, high := 0.0, 1.0
				if IsEffectiveNumber(name) {
					low, high = 1, float64(g.Len())
				}
				if ok && !(e.Value >= low && e.Value <= high && e.StandardError >= 0) {
					t.Fatalf("%s is %v", name, e)
				}
			}
		}
	})
}
