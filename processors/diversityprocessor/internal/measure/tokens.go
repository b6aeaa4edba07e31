package measure

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// TokenSets are n sets; order and repetition of tokens mean nothing. The distance
// is Jaccard's, 1 - |A∩B|/|A∪B|, and 0 between two empty sets.
type TokenSets struct {
	tokens []uint32 // of all sets, one after the other, each in ascending order
	end    []int    // where each set ends
	words  int      // of a set as a bitset; 0 if sets are kept as lists
	bitset []uint64
	cost   int
}

// NewTokenSets numbers the tokens.
func NewTokenSets(genomes [][]string) *TokenSets {
	total := 0
	for _, genome := range genomes {
		total += len(genome)
	}
	g := &TokenSets{tokens: make([]uint32, 0, total), end: make([]int, len(genomes))}
	number := map[string]uint32{}
	for i, genome := range genomes {
		begin := len(g.tokens)
		for _, token := range genome {
			k, ok := number[token]
			if !ok {
				k = uint32(len(number))
				number[token] = k
			}
			g.tokens = append(g.tokens, k)
		}
		set := g.tokens[begin:]
		slices.Sort(set)
		g.tokens = g.tokens[:begin+len(slices.Compact(set))]
		g.end[i] = len(g.tokens)
	}
	g.chooseForm(len(number))
	return g
}

// chooseForm keeps the sets as bitsets where that makes a comparison cheaper: a
// word of 64 tokens takes about as long as one token of a list, and a comparison
// has two lists. Bitsets so never take more than a few times the lists' memory.
func (g *TokenSets) chooseForm(distinct int) {
	n := max(g.Len(), 1)
	words := (distinct + 63) / 64
	g.cost = 2*len(g.tokens)/n + 1
	if words >= g.cost {
		return
	}
	g.words, g.cost = words, words+1
	g.bitset = make([]uint64, g.Len()*words)
	for i := range g.end {
		set := g.bitset[i*words:]
		for _, token := range g.set(i) {
			set[token/64] |= 1 << (token % 64)
		}
	}
}

// Len is n.
func (g *TokenSets) Len() int { return len(g.end) }

func (g *TokenSets) set(i int) []uint32 {
	if i == 0 {
		return g.tokens[:g.end[0]]
	}
	return g.tokens[g.end[i-1]:g.end[i]]
}

func (g *TokenSets) classify() Classes {
	return classifyRows(g.Len(), func(b []byte, i int) []byte {
		for _, token := range g.set(i) {
			b = binary.LittleEndian.AppendUint32(b, token)
		}
		return b
	}, func(i, j int) bool { return slices.Equal(g.set(i), g.set(j)) })
}

func (g *TokenSets) meanDistance(func() Classes) (float64, bool) { return 0, false }

func (g *TokenSets) distance(i, j int) float64 {
	a, b := g.set(i), g.set(j)
	if len(a)+len(b) == 0 {
		return 0
	}
	var shared int
	if g.words > 0 {
		shared = sharedBits(g.bitset[i*g.words:(i+1)*g.words], g.bitset[j*g.words:(j+1)*g.words])
	} else {
		shared = sharedTokens(a, b)
	}
	union := len(a) + len(b) - shared
	return float64(union-shared) / float64(union)
}

func (g *TokenSets) pairCost() int { return g.cost }

func (g *TokenSets) polymorphicLoci() (float64, bool) { return 0, false }

func sharedBits(a, b []uint64) int {
	b = b[:len(a)]
	shared := 0
	for i, word := range a {
		shared += bits.OnesCount64(word & b[i])
	}
	return shared
}

func sharedTokens(a, b []uint32) int {
	shared := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			shared++
			i++
			j++
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return shared
}
