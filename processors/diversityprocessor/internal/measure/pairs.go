package measure

import (
	"math"
	"math/rand/v2"
)

// moments are means over the pairs i<j: of the distance d, and of (d-center)².
type moments struct {
	distance, square Estimate
	center           float64
}

// pairs gives the moments of the genomes' distance, about its mean where that is
// known from elsewhere, else about 1.
func (p *Population) pairs() moments {
	if p.moments == nil {
		center := p.exactMean()
		if math.IsNaN(center) {
			center = 1
		}
		m := p.overPairs(p.genomes.distance, p.genomes.pairCost(), center)
		p.moments = &m
	}
	return *p.moments
}

// leastShifts are sampled at least, so that there is a standard error.
const leastShifts = 8

// overPairs takes means over the pairs of at least two individuals: all pairs of
// classes, each as often as it has pairs of individuals, or a sample of the pairs
// of individuals.
func (p *Population) overPairs(distance func(i, j int) float64, cost int, center float64) moments {
	classes := p.classes()
	shifts := max(leastShifts, p.maxComparisons/(p.n*cost))
	if pairsOf(classes.count())*float64(cost) <= float64(p.maxComparisons) || 2*shifts >= p.n-1 {
		return overClasses(classes, distance, center)
	}
	return overShifts(p.n, shifts, distance, center)
}

func overClasses(c Classes, distance func(i, j int) float64, center float64) moments {
	var sum, squares float64
	for a, i := range c.first {
		var rowSum, rowSquares float64
		for b, j := range c.first[:a] {
			d := distance(i, j)
			weight := float64(c.size[b])
			rowSum += weight * d
			rowSquares += weight * (d - center) * (d - center)
		}
		sum += float64(c.size[a]) * rowSum
		squares += float64(c.size[a]) * rowSquares
	}
	squares += c.samePairs() * center * center
	all := pairsOf(c.n)
	return moments{distance: Estimate{Value: sum / all}, square: Estimate{Value: squares / all}, center: center}
}

// overShifts samples pairs: it puts the individuals in a circle in random order and
// takes those that are 1, 2, ... shifts apart. Every individual is in equally many
// pairs, which makes the estimate better than one of pairs drawn at random (Blom
// 1976, Biometrika 63, 573, incomplete U-statistics), and the mean of each shift
// is an estimate of its own, which gives the standard error. The order depends on
// n only, so that every Collector gets the same from the same snapshot.
func overShifts(n, shifts int, distance func(i, j int) float64, center float64) moments {
	order := rand.New(rand.NewPCG(uint64(n), 0)).Perm(n)
	sums, squares := make([]float64, shifts), make([]float64, shifts)
	for k, i := range order {
		// A row is compared while those that follow are in the cache.
		for shift := range shifts {
			other := k + shift + 1
			if other >= n {
				other -= n
			}
			d := distance(i, order[other])
			sums[shift] += d
			squares[shift] += (d - center) * (d - center)
		}
	}
	var ofDistance, ofSquare running
	for shift := range shifts {
		ofDistance.add(sums[shift] / float64(n))
		ofSquare.add(squares[shift] / float64(n))
	}
	// What is left of a sample's variance when it takes a share of all there is.
	left := 1 - 2*float64(shifts)/float64(n-1)
	return moments{distance: ofDistance.estimate(left), square: ofSquare.estimate(left), center: center}
}

// running is a mean and a sum of squared deviations (Welford 1962, Technometrics
// 4, 419).
type running struct {
	n             int
	mean, squares float64
}

func (r *running) add(v float64) {
	r.n++
	delta := v - r.mean
	r.mean += delta / float64(r.n)
	r.squares += delta * (v - r.mean)
}

func (r *running) estimate(left float64) Estimate {
	n := float64(r.n)
	return Estimate{Value: r.mean, StandardError: math.Sqrt(left * r.squares / (n - 1) / n)}
}
