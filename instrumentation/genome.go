package instrumentation

// Individual is one member of a population.
type Individual struct {
	// ID names the individual within its island.
	ID string
	// Fitness is in the loop's own unit.
	Fitness float64
	// Genome is what the individual's diversity is judged by. The zero Genome
	// says nothing: the individual is counted, but takes no part in diversity.
	Genome Genome
}

// Genome is what an individual is made of. Its kind says which distance
// applies between two individuals:
//
//	Identity     0 if equal, else 1
//	Tokens       Jaccard distance of the sets
//	Categorical  share of the positions that differ (Hamming)
//	Booleans     share of the positions that differ (Hamming)
//	Numeric      mean absolute difference of the genes (L1, Gower)
//
// Use one kind, and one length, throughout a population.
type Genome struct {
	kind   genomeKind
	id     string
	tokens []string
	ints   []int64
	bools  []bool
	floats []float64
}

type genomeKind uint8

const (
	genomeMissing genomeKind = iota
	genomeIdentity
	genomeTokens
	genomeCategorical
	genomeBooleans
	genomeNumeric
)

// Identity is a genome of which only equality is known: a hash, a name. Of a
// whole program hand over the hash, since what is given is sent as it is.
func Identity(id string) Genome { return Genome{kind: genomeIdentity, id: id} }

// Tokens is a genome that is a set of tokens; order and repetition don't matter.
// For whole programs MinHash is smaller and as good.
func Tokens(tokens []string) Genome { return Genome{kind: genomeTokens, tokens: tokens} }

// Categorical is a genome of fixed length whose genes are codes: equal or not.
func Categorical(genes []int64) Genome { return Genome{kind: genomeCategorical, ints: genes} }

// Booleans is a genome of fixed length whose genes are on or off.
func Booleans(genes []bool) Genome { return Genome{kind: genomeBooleans, bools: genes} }

// Numeric is a genome of fixed length, each gene scaled to [0,1] by the bounds
// that the loop declares for it, not by what the population happens to contain:
// that would hide a collapse. ScaleGenes helps.
func Numeric(genes []float64) Genome { return Genome{kind: genomeNumeric, floats: genes} }

// values is the number of values that the genome carries.
func (g *Genome) values() int {
	switch g.kind {
	case genomeIdentity:
		return 1
	case genomeTokens:
		return len(g.tokens)
	case genomeCategorical:
		return len(g.ints)
	case genomeBooleans:
		return len(g.bools)
	case genomeNumeric:
		return len(g.floats)
	default:
		return 0
	}
}

// ScaleGenes writes (gene - low) / (high - low) to dst for each gene and returns
// dst, which is grown as needed and may be genes itself. A gene whose bounds are
// equal becomes 0. The three slices must be of one length; the shortest counts.
func ScaleGenes(dst, genes, low, high []float64) []float64 {
	n := min(len(genes), len(low), len(high))
	if cap(dst) < n {
		dst = make([]float64, n)
	}
	dst = dst[:n]
	for i := range n {
		if high[i] == low[i] {
			dst[i] = 0
			continue
		}
		dst[i] = (genes[i] - low[i]) / (high[i] - low[i])
	}
	return dst
}
