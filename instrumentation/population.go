package instrumentation

import (
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

func snapshotCost(individuals []Individual) int64 {
	cost := int64(len(individuals)) * individualCost
	for i := range individuals {
		cost += int64(individuals[i].Genome.values())
	}
	return cost
}

func (s *snapshot) cost() int64 {
	return int64(len(s.members))*individualCost +
		int64(len(s.ids)+len(s.tokens)+len(s.ints)+len(s.bools)+len(s.floats))
}

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

func (s *snapshot) add(individuals []Individual) {
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
		attrs = append(attrs[:0], attribute.String(semconv.AttrRunID, runID), attribute.String(semconv.AttrIndividualID, m.id))
		if s.island != "" {
			attrs = append(attrs, attribute.String(semconv.AttrIsland, s.island))
		}
		const genome = semconv.AttrIndividualGenome
		switch m.kind {
		case genomeIdentity:
			attrs = append(attrs, attribute.String(genome, ids[0]))
			ids = ids[1:]
		case genomeTokens:
			attrs = append(attrs, attribute.StringSlice(genome, tokens[:m.values]))
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
