package population

import (
	"math"
	"slices"
)

// Statistics describe fitness values, in the loop's own unit.
type Statistics struct {
	Min, Mean, Max float64
	// Stddev is the standard deviation of the population: of n values, not of a
	// sample of them.
	Stddev float64
}

// Describe gives the statistics of at least one finite value. Values are scaled by a
// power of two first, which is exact, so that neither sums nor squares overflow
// or vanish; sums are compensated (Neumaier 1974, ZAMM 54, 39), and the variance is
// corrected for the rounding of the mean (Chan, Golub and LeVeque 1983, The
// American Statistician 37, 242).
func Describe(values []float64) Statistics {
	s := Statistics{Min: slices.Min(values), Max: slices.Max(values)}
	n := float64(len(values))
	_, exponent := math.Frexp(max(math.Abs(s.Min), math.Abs(s.Max)))
	scaled := func(v float64) float64 { return math.Ldexp(v, -exponent) }
	mean := min(max(sum(values, scaled)/n, scaled(s.Min)), scaled(s.Max))
	deviations := sum(values, func(v float64) float64 { return scaled(v) - mean })
	squares := sum(values, func(v float64) float64 { return (scaled(v) - mean) * (scaled(v) - mean) })
	s.Mean = math.Ldexp(mean, exponent)
	s.Stddev = math.Ldexp(math.Sqrt(max(0, squares-deviations*deviations/n)/n), exponent)
	return s
}

func sum(values []float64, of func(float64) float64) float64 {
	var total, lost float64
	for _, v := range values {
		x := of(v)
		t := total + x
		if math.Abs(total) >= math.Abs(x) {
			lost += (total - t) + x
		} else {
			lost += (x - t) + total
		}
		total = t
	}
	return total + lost
}
