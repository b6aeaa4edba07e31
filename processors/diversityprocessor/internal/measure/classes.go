package measure

import (
	"encoding/binary"
	"hash/maphash"
	"math"
)

// Classes are the classes of equal genomes, in the order in which they appear.
type Classes struct {
	// first is the index of a class' first genome, size how many it has.
	first, size []int
	n           int
}

func (c Classes) count() int { return len(c.size) }

// shannon is the entropy of the classes' shares in nats. The logarithm of a share
// near 1 is taken of what it lacks to 1, so that the small entropy of a population
// that has almost collapsed keeps its digits.
func (c Classes) shannon() float64 {
	n := float64(c.n)
	var h float64
	for _, size := range c.size {
		share, rest := float64(size)/n, float64(c.n-size)/n
		if share > 0.5 {
			h -= share * math.Log1p(-rest)
		} else {
			h -= share * math.Log(share)
		}
	}
	return max(h, 0)
}

// samePairs is the number of pairs i<j within a class.
func (c Classes) samePairs() float64 {
	var sum float64
	for _, size := range c.size {
		sum += pairsOf(size)
	}
	return sum
}

// pairsOf is the number of pairs of n.
func pairsOf(n int) float64 { return float64(n) * float64(n-1) / 2 }

// classifyRows finds the classes of n rows by a hash of each, which put appends to
// what it is given as bytes; rows of the same hash are compared. The hash is
// seeded at random, so that nobody can send rows that collide.
func classifyRows(n int, put func(b []byte, row int) []byte, equal func(i, j int) bool) Classes {
	c := Classes{n: n, first: make([]int, 0, n), size: make([]int, 0, n)}
	seed := maphash.MakeSeed()
	last := make(map[uint64]int, n) // the class last seen of each hash
	before := make([]int, 0, n)     // the class seen before it, or -1
	bytes := make([]byte, 0, 1024)
	for row := range n {
		bytes = put(bytes[:0], row)
		hash := maphash.Bytes(seed, bytes)
		class, ok := last[hash]
		if !ok {
			class = -1
		}
		newest := class
		for class >= 0 && !equal(c.first[class], row) {
			class = before[class]
		}
		if class >= 0 {
			c.size[class]++
			continue
		}
		last[hash] = c.count()
		c.first, c.size, before = append(c.first, row), append(c.size, 1), append(before, newest)
	}
	return c
}

func appendUint64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }
