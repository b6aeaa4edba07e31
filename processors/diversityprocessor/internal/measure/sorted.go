package measure

import (
	"math"
	"slices"
)

// Found by measurement (BenchmarkCrossover): below pairsBelow individuals looking at
// every pair is faster than sorting, and from digitsFrom values on the radix sort is
// faster than the general one.
const (
	pairsBelow = 24
	digitsFrom = 200
)

// columnsAtOnce are copied out of the rows together: a cache line has eight genes.
const columnsAtOnce = 8

// meanOfSorted sorts each locus: the gap between the k-th and the next value lies
// between k(n-k) pairs. O(n·loci), and no term is negative, so that nothing
// cancels. Its memory is fourteen columns and the counters of a sort.
func (g *Numeric) meanOfSorted(sort func([]float64)) float64 {
	columns := make([]float64, columnsAtOnce*g.n)
	var sum float64
	for begin := 0; begin < g.loci; begin += columnsAtOnce {
		width := min(columnsAtOnce, g.loci-begin)
		for i := range g.n {
			for k, gene := range g.clipped[i*g.loci+begin : i*g.loci+begin+width] {
				columns[k*g.n+i] = gene
			}
		}
		for k := range width {
			column := columns[k*g.n : (k+1)*g.n]
			sort(column)
			sum += gaps(column)
		}
	}
	return sum / pairsOf(g.n) / float64(g.loci)
}

// gaps is the sum of the differences over all pairs of sorted values.
func gaps(sorted []float64) float64 {
	var sum float64
	n := len(sorted)
	for k := 1; k < n; k++ {
		sum += (sorted[k] - sorted[k-1]) * (float64(k) * float64(n-k))
	}
	return sum
}

const (
	digitBits = 11
	digitsOf  = 6 // 64 bits
)

// digits is a radix sort of values in [0,1], of which the bits are in the same order,
// from the least significant digit on. Digits that are the same in all values are
// passed over: those of a population that has converged.
type digits struct {
	from, to []uint64
	count    [digitsOf][1 << digitBits]uint32
}

func newDigits(n int) *digits {
	return &digits{from: make([]uint64, n), to: make([]uint64, n)}
}

func (s *digits) sort(values []float64) {
	const mask = 1<<digitBits - 1
	n := len(values)
	from, to := s.from[:n], s.to[:n]
	s.count = [digitsOf][1 << digitBits]uint32{}
	for i, v := range values {
		key := math.Float64bits(v)
		from[i] = key
		for digit := range digitsOf {
			s.count[digit][key>>(digit*digitBits)&mask]++
		}
	}
	for digit := range digitsOf {
		count, shift := &s.count[digit], digit*digitBits
		if int(count[from[0]>>shift&mask]) == n {
			continue
		}
		var sum uint32
		for i, c := range count {
			count[i] = sum
			sum += c
		}
		for _, key := range from {
			d := key >> shift & mask
			to[count[d]] = key
			count[d]++
		}
		from, to = to, from
	}
	for i, key := range from {
		values[i] = math.Float64frombits(key)
	}
}

// buckets sorts values in [0,1]. It spreads them over as many buckets of equal width
// and sorts the result by insertion. Buckets with many values are sorted in the
// same way before, and if those are crowded again, by another sort.
type buckets struct {
	bucket, end []uint32 // of each value; of each bucket
	sorted      []float64
	// What crowds need is made when there is one.
	isInner bool
	inner   *buckets
	digits  *digits
}

func newBuckets(n int) *buckets {
	return &buckets{bucket: make([]uint32, n), end: make([]uint32, n+1), sorted: make([]float64, n)}
}

// manyInBucket are sorted by themselves.
const manyInBucket = 16

func (s *buckets) sort(values []float64) {
	n := len(values)
	least, greatest := uint64(math.MaxUint64), uint64(0) // as whole numbers, which compares faster
	for _, v := range values {
		bits := math.Float64bits(v)
		least, greatest = min(least, bits), max(greatest, bits)
	}
	if least >= greatest {
		return
	}
	lowest := math.Float64frombits(least)
	perBucket := float64(n-1) / (math.Float64frombits(greatest) - lowest)
	if math.IsInf(perBucket, 0) { // subnormal values
		slices.Sort(values)
		return
	}
	bucket, end := s.bucket[:n], s.end[:n+1]
	clear(end)
	for i, v := range values {
		b := uint32(int32((v - lowest) * perBucket))
		bucket[i] = b
		end[b+1]++
	}
	var sum uint32
	var crowd uint64
	for b, c := range end {
		sum += c
		crowd += uint64(c) * uint64(c)
		end[b] = sum
	}
	crowded := crowd > manyInBucket*uint64(n)
	if crowded && s.isInner {
		s.sortCrowd(values)
		return
	}
	sorted := s.sorted[:n]
	for i, v := range values {
		b := bucket[i]
		sorted[end[b]] = v
		end[b]++
	}
	if crowded {
		if s.inner == nil {
			s.inner = newBuckets(len(s.bucket))
			s.inner.isInner = true
		}
		var begin uint32
		for _, end := range end[:n] {
			if end-begin > manyInBucket {
				s.inner.sort(sorted[begin:end])
			}
			begin = end
		}
	}
	for i, v := range sorted {
		for ; i > 0 && values[i-1] > v; i-- {
			values[i] = values[i-1]
		}
		values[i] = v
	}
}

func (s *buckets) sortCrowd(values []float64) {
	if len(values) < digitsFrom {
		slices.Sort(values)
		return
	}
	if s.digits == nil {
		s.digits = newDigits(len(s.bucket))
	}
	s.digits.sort(values)
}
