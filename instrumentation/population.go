package instrumentation

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/semconv"
)

// snapshot is one island's population, copied from the loop. The genes of all
// individuals stand one after the other, so that copying is a few large moves
// and a snapshot's memory can be used again.
type snapshot struct {
	island string
	// size is the population's. members is empty when it was too large to keep.
	size    int
	cost    int64
	members []member
	ids     []string // Identity
	tokens  []string
	ints    []int64
	bools   []bool
	floats  []float64

	// readers counts the collections that are reading; the run's lock guards it.
	readers int
	retired bool
}

// member is an individual whose genome's values stand elsewhere in the snapshot.
type member struct {
	id      string
	fitness float64
	kind    genomeKind
	values  int
}

// individualCost is what an individual costs beside its genome's values, in
// values: its point, its id and its attributes.
const individualCost = 16

// space is what a population takes.
type space struct {
	cost                             int64
	ids, tokens, ints, bools, floats int
}

// spaceOf measures the space that individuals take, or stops and returns false
// once that is more than limit: the loop must not wait for the counting of what
// won't be kept.
func spaceOf(individuals []Individual, limit int64) (space, bool) {
	s := space{cost: int64(len(individuals)) * individualCost}
	for i := range individuals {
		if s.cost > limit {
			return s, false
		}
		g := &individuals[i].Genome
		s.cost += int64(g.values())
		switch g.kind {
		case genomeIdentity:
			s.ids++
			s.cost += stringCost(g.id)
		case genomeTokens:
			s.tokens += len(g.tokens)
			for _, token := range g.tokens {
				s.cost += stringCost(token)
			}
		case genomeCategorical:
			s.ints += len(g.ints)
		case genomeBooleans:
			s.bools += len(g.bools)
		case genomeNumeric:
			s.floats += len(g.floats)
		case genomeMissing:
		}
	}
	return s, s.cost <= limit
}

// stringCost is what a string costs beyond a number's 8 bytes, in values.
func stringCost(s string) int64 { return int64(len(s) / 8) }

// reset empties the snapshot and lets go of the loop's strings.
func (s *snapshot) reset() {
	clear(s.members)
	clear(s.ids)
	clear(s.tokens)
	*s = snapshot{
		members: s.members[:0], ids: s.ids[:0], tokens: s.tokens[:0],
		ints: s.ints[:0], bools: s.bools[:0], floats: s.floats[:0],
	}
}

func (s *snapshot) fill(individuals []Individual, need space) {
	s.cost = need.cost
	s.members = slices.Grow(s.members, len(individuals))
	s.ids, s.tokens = slices.Grow(s.ids, need.ids), slices.Grow(s.tokens, need.tokens)
	s.ints, s.bools, s.floats = slices.Grow(s.ints, need.ints), slices.Grow(s.bools, need.bools), slices.Grow(s.floats, need.floats)
	for i := range individuals {
		in := &individuals[i]
		g := &in.Genome
		s.members = append(s.members, member{id: in.ID, fitness: in.Fitness, kind: g.kind, values: g.values()})
		switch g.kind {
		case genomeIdentity:
			s.ids = append(s.ids, g.id)
		case genomeTokens:
			s.tokens = append(s.tokens, g.tokens...)
		case genomeCategorical:
			s.ints = append(s.ints, g.ints...)
		case genomeBooleans:
			s.bools = append(s.bools, g.bools...)
		case genomeNumeric:
			s.floats = append(s.floats, g.floats...)
		case genomeMissing:
		}
	}
}

// appendPoints appends a point for each individual.
func (s *snapshot) appendPoints(to []metricdata.DataPoint[float64], runID string, now time.Time) []metricdata.DataPoint[float64] {
	ids, tokens, ints, bools, floats := s.ids, s.tokens, s.ints, s.bools, s.floats
	attrs := make([]attribute.KeyValue, 0, 4)
	for i := range s.members {
		m := &s.members[i]
		attrs = append(attrs[:0], attribute.String(semconv.AttrRunID, runID), attribute.String(semconv.AttrIndividualID, name(m.id)))
		if s.island != "" {
			attrs = append(attrs, attribute.String(semconv.AttrIsland, name(s.island)))
		}
		const genome = semconv.AttrIndividualGenome
		switch m.kind {
		case genomeIdentity:
			attrs = append(attrs, attribute.String(genome, text(ids[0])))
			ids = ids[1:]
		case genomeTokens:
			attrs = append(attrs, attribute.StringSlice(genome, texts(tokens[:m.values])))
			tokens = tokens[m.values:]
		case genomeCategorical:
			attrs = append(attrs, attribute.Int64Slice(genome, ints[:m.values]))
			ints = ints[m.values:]
		case genomeBooleans:
			attrs = append(attrs, attribute.BoolSlice(genome, bools[:m.values]))
			bools = bools[m.values:]
		case genomeNumeric:
			attrs = append(attrs, attribute.Float64Slice(genome, floats[:m.values]))
			floats = floats[m.values:]
		case genomeMissing:
		}
		to = append(to, metricdata.DataPoint[float64]{Attributes: attribute.NewSet(attrs...), Time: now, Value: m.fitness})
	}
	return to
}
