package population

import (
	"math"
	"math/rand/v2"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evotel/evotel/semconv"
)

// Snapshot is the population of an island as a request has it.
type Snapshot struct {
	Island Island
	// Entry is the index of the resource of the request that has the first
	// individual.
	Entry int
	// Timestamp and Start are those of the newest individual.
	Timestamp, Start pcommon.Timestamp
	// Size is evolution.population.size, if HasSize.
	Size    float64
	HasSize bool
	// Received is the number of individuals, Beyond how many of them were too
	// many to be read.
	Received, Beyond int

	hadSize         bool // in an earlier request
	sizeTimestamp   pcommon.Timestamp
	total, atNewest int // points, and those of the newest timestamp
	onlyNewest      bool
	visited         int
	draw            *rand.Rand
	individuals     []individual
}

// individual is a member of a population.
type individual struct {
	id      string
	fitness float64       // NaN if there is none
	genome  pcommon.Value // if hasGenome
	form    form

	hasGenome bool
}

// Whole tells whether the individuals are as many as the loop says they are. Where a
// loop never says so nothing can tell; but where it did before, those that come
// without a size are a part of a snapshot that something has split.
func (s *Snapshot) Whole() bool {
	if s.HasSize {
		return float64(s.Received) == s.Size
	}
	return !s.hadSize
}

// survey counts a point.
func (s *Snapshot) survey(point pmetric.NumberDataPoint) {
	s.total++
	switch at := point.Timestamp(); {
	case s.total == 1 || at > s.Timestamp:
		s.Timestamp, s.Start, s.atNewest = at, point.StartTimestamp(), 1
	case at == s.Timestamp:
		s.atNewest++
	}
}

// settle decides which points are the population, once all of them have been
// counted. An SDK or a proxy may repeat older points next to those of now, but a
// loop may also give each individual a time of its own.
func (s *Snapshot) settle(limit int) {
	s.Received = s.total
	if s.HasSize {
		s.onlyNewest = float64(s.total) != s.Size && float64(s.atNewest) == s.Size
	} else {
		s.onlyNewest = s.atNewest > 1
	}
	if s.onlyNewest {
		s.Received = s.atNewest
	}
	s.Beyond = max(0, s.Received-limit)
	s.individuals = make([]individual, 0, s.Received-s.Beyond)
	if s.Beyond > 0 {
		s.draw = rand.New(rand.NewPCG(uint64(s.Received), 0))
	}
}

// gather keeps a point, if it belongs to the population. Of too many it draws a
// sample (selection sampling, Knuth, The Art of Computer Programming, 3.4.2 S),
// since loops tend to send them in some order. The draw depends on their number
// only, so that every Collector makes the same.
func (s *Snapshot) gather(point pmetric.NumberDataPoint) {
	if s.onlyNewest && point.Timestamp() != s.Timestamp {
		return
	}
	left, wanted := s.Received-s.visited, s.Received-s.Beyond-len(s.individuals)
	s.visited++
	if wanted < left && s.draw.IntN(left) >= wanted {
		return
	}
	one := individual{fitness: valueOf(point)}
	one.genome, one.hasGenome = point.Attributes().Get(semconv.AttrIndividualGenome)
	if id, ok := point.Attributes().Get(semconv.AttrIndividualID); ok {
		one.id = id.AsString()
	}
	s.individuals = append(s.individuals, one)
}

// uniteRepeated takes points of the same id and genome, such as those of a request
// that was sent again, for one individual, if they then are as many as the loop
// says. Otherwise an id need not be unique: it may be a hash of the genome.
func (s *Snapshot) uniteRepeated() {
	if !s.HasSize || s.Beyond > 0 || float64(s.Received) <= s.Size {
		return
	}
	index := make(map[string]int, len(s.individuals))
	united := make([]individual, 0, len(s.individuals))
	for _, one := range s.individuals {
		if at, ok := index[one.id]; ok && one.isRepeated(united[at]) {
			united[at] = one
			continue
		}
		index[one.id] = len(united)
		united = append(united, one)
	}
	if float64(len(united)) == s.Size {
		s.individuals, s.Received = united, len(united)
	}
}

func (one individual) isRepeated(other individual) bool {
	return one.id != "" && one.hasGenome && other.hasGenome && one.genome.Equal(other.genome)
}

// valueOf is a point's value, NaN if it has none.
func valueOf(point pmetric.NumberDataPoint) float64 {
	switch point.ValueType() {
	case pmetric.NumberDataPointValueTypeInt:
		return float64(point.IntValue())
	case pmetric.NumberDataPointValueTypeDouble:
		return point.DoubleValue()
	default:
		return math.NaN()
	}
}
