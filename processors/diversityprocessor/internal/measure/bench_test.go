//go:build unix

package measure

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/evotel/evotel/semconv"
)

// perOp reports processor time, which other work on the machine disturbs less than
// it does the time that passes. make bench-diversity compares it to a peer's.
func perOp(b *testing.B, work func()) {
	b.ReportAllocs()
	begin := cpu(b)
	for b.Loop() {
		work()
	}
	b.ReportMetric(float64(cpu(b)-begin)/float64(b.N), "cpu-ns/op")
}

func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// uniform numbers the genes of a peer can make, too: SplitMix64 of 0, 1, 2, ...
func uniform(i int) uint64 {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func uniformNumeric(n, loci int) *Numeric {
	genes := make([]float64, n*loci)
	for i := range genes {
		genes[i] = float64(uniform(i)>>11) * 0x1p-53
	}
	return NewNumeric(genes, loci)
}

func uniformCategorical(n, loci int, alleles uint64) []int64 {
	genes := make([]int64, n*loci)
	for i := range genes {
		genes[i] = int64(uniform(i) % alleles)
	}
	return genes
}

// BenchmarkManhattan is mean_pairwise_distance of numeric genomes.
func BenchmarkManhattan(b *testing.B) {
	for _, size := range [][2]int{{100, 64}, {100, 768}, {1000, 64}, {10_000, 768}} {
		g := uniformNumeric(size[0], size[1])
		b.Run(fmt.Sprintf("n=%d/d=%d", size[0], size[1]), func(b *testing.B) {
			var mean float64
			perOp(b, func() { mean, _ = g.meanDistance(nil) })
			b.Logf("mean of %s: %.17g", b.Name(), mean)
		})
	}
}

// BenchmarkHamming is mean_pairwise_distance of categorical genomes.
func BenchmarkHamming(b *testing.B) {
	for _, size := range [][2]int{{100, 64}, {1000, 64}, {10_000, 64}} {
		g := NewCategorical(uniformCategorical(size[0], size[1], 4), size[1])
		b.Run(fmt.Sprintf("n=%d/d=%d", size[0], size[1]), func(b *testing.B) {
			var mean float64
			perOp(b, func() { mean, _ = g.meanDistance(nil) })
			b.Logf("mean of %s: %.17g", b.Name(), mean)
		})
	}
}

// BenchmarkMeasures is each measure alone, by kind of genomes and n, at 64 loci or
// tokens.
func BenchmarkMeasures(b *testing.B) {
	for kind, of := range map[string]func(n int) Genomes{
		"numeric":     func(n int) Genomes { return uniformNumeric(n, 64) },
		"categorical": func(n int) Genomes { return NewCategorical(uniformCategorical(n, 64, 4), 64) },
		"identity": func(n int) Genomes {
			names := make(Identities, n)
			for i := range names {
				names[i] = strconv.FormatUint(uniform(i)%uint64(n), 10)
			}
			return names
		},
		"two clusters": func(n int) Genomes {
			g := uniformNumeric(n, 64)
			for i := range g.genes {
				g.genes[i] = 0.2*g.genes[i] + 0.8*float64(i/64%2)
			}
			return g
		},
		"tokens": func(n int) Genomes {
			sets := make([][]string, n)
			for i := range sets {
				for k := range 64 {
					sets[i] = append(sets[i], strconv.FormatUint(uniform(64*i+k)%1000, 10))
				}
			}
			return NewTokenSets(sets)
		},
	} {
		names := Default()
		switch kind { // what has no way of its own
		case "two clusters":
			names = []string{semconv.MeasureVendi2}
		case "tokens":
			names = []string{semconv.MeasureMeanPairwiseDistance, semconv.MeasureVendi2}
		}
		for _, n := range []int{100, 300, 1000, 3000, 10_000, 30_000, 100_000} {
			var genomes Genomes
			for _, name := range names {
				b.Run(fmt.Sprintf("%s/%s/n=%d", kind, name, n), func(b *testing.B) {
					if genomes == nil {
						genomes = of(n)
					}
					if _, ok := New(genomes, 0).Compute(name); !ok {
						b.Skip("has no such measure")
					}
					var e Estimate
					perOp(b, func() { e, _ = New(genomes, 5_000_000).Compute(name) })
					b.ReportMetric(e.Value, "value")
					b.ReportMetric(e.StandardError, "stderr")
				})
			}
		}
	}
}

// BenchmarkKinds is what it takes to make genomes comparable.
func BenchmarkKinds(b *testing.B) {
	few, many := uniformCategorical(10_000, 64, 4), uniformCategorical(10_000, 64, math.MaxInt64)
	genes := uniformNumeric(10_000, 64).genes
	b.Run("categorical, 4 alleles", func(b *testing.B) { perOp(b, func() { NewCategorical(few, 64) }) })
	b.Run("categorical, 10000 alleles", func(b *testing.B) { perOp(b, func() { NewCategorical(many, 64) }) })
	b.Run("numeric", func(b *testing.B) { perOp(b, func() { NewNumeric(genes, 64) }) })
}

// BenchmarkCrossover is how the ways to the mean distance were chosen, at 64 loci, by
// n, and whether genes are uniform or in two crowds.
func BenchmarkCrossover(b *testing.B) {
	for _, n := range []int{8, 16, 24, 32, 100, 200, 300, 400, 1000, 10_000} {
		for _, shape := range []string{"uniform", "crowded"} {
			g := uniformNumeric(n, 64)
			for i := range g.genes {
				if shape == "crowded" {
					g.genes[i] = 0.1 + 1e-9*g.genes[i] + 0.8*float64(i/64%2)
				}
			}
			ways := map[string]func([]float64){
				"buckets": newBuckets(n).sort, "digits": newDigits(n).sort, "general": slices.Sort[[]float64],
			}
			if n <= 100 {
				b.Run(fmt.Sprintf("n=%d/%s/pairs", n, shape), func(b *testing.B) { perOp(b, func() { g.meanOfPairs() }) })
			}
			for way, sort := range ways {
				b.Run(fmt.Sprintf("n=%d/%s/%s", n, shape, way), func(b *testing.B) { perOp(b, func() { g.meanOfSorted(sort) }) })
			}
		}
	}
}

// BenchmarkVendi1 is the greatest matrix that is taken.
func BenchmarkVendi1(b *testing.B) {
	g := uniformNumeric(maxSpectrum, 64)
	perOp(b, func() { New(g, 0).Compute(semconv.MeasureVendi1) })
}
