package population

import (
	"hash/maphash"
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evotel/evotel/semconv"
)

// Reader reads snapshots out of requests. Between them it remembers which islands
// have told their size, and nothing else.
type Reader struct {
	maxIndividuals int
	seed           maphash.Seed
	sized          Remembered[Island]
}

// NewReader gives a reader that reads at most so many individuals of an island.
func NewReader(maxIndividuals int) *Reader {
	return &Reader{maxIndividuals: maxIndividuals, seed: maphash.MakeSeed()}
}

// IsIndividuals tells whether a metric carries individuals in the form agreed on.
func IsIndividuals(metric pmetric.Metric) bool {
	return metric.Name() == semconv.IndividualFitness.Name && metric.Type() == pmetric.MetricTypeGauge
}

// Read gives the snapshots of a request, in the order in which their islands
// appear. Resources that are written more than once are one. A snapshot refers to
// the request's memory.
func (r *Reader) Read(request pmetric.Metrics) []*Snapshot {
	read := reading{reader: r, request: request, islands: map[Island]*Snapshot{}}
	read.points(IsIndividuals, func(entry int, resource uint64, point pmetric.NumberDataPoint) {
		read.of(islandOf(resource, point.Attributes()), entry).survey(point)
	})
	for _, s := range read.order {
		s.hadSize = r.sized.Has(s.Island)
	}
	read.points(isSize, func(_ int, resource uint64, point pmetric.NumberDataPoint) {
		size := valueOf(point)
		if math.IsNaN(size) {
			return
		}
		key := islandOf(resource, point.Attributes())
		r.sized.Add(key)
		if s, ok := read.islands[key]; ok && (!s.HasSize || point.Timestamp() >= s.sizeTimestamp) {
			s.Size, s.HasSize, s.sizeTimestamp = size, true, point.Timestamp()
		}
	})
	for _, s := range read.order {
		s.settle(r.maxIndividuals)
	}
	read.points(IsIndividuals, func(entry int, resource uint64, point pmetric.NumberDataPoint) {
		read.of(islandOf(resource, point.Attributes()), entry).gather(point)
	})
	for _, s := range read.order {
		s.uniteRepeated()
	}
	return read.order
}

func isSize(metric pmetric.Metric) bool {
	return metric.Name() == semconv.PopulationSize.Name && metric.Type() == pmetric.MetricTypeGauge
}

// reading is one request being read.
type reading struct {
	reader  *Reader
	request pmetric.Metrics
	islands map[Island]*Snapshot
	order   []*Snapshot
	last    *Snapshot // most points are of the same island as the one before
}

func (r *reading) of(key Island, entry int) *Snapshot {
	if r.last != nil && r.last.Island == key {
		return r.last
	}
	s, ok := r.islands[key]
	if !ok {
		s = &Snapshot{Island: key, Entry: entry}
		r.islands[key] = s
		r.order = append(r.order, s)
	}
	r.last = s
	return s
}

// points visits the points that have a value, of the gauges that are wanted.
func (r *reading) points(wanted func(pmetric.Metric) bool, visit func(entry int, resource uint64, point pmetric.NumberDataPoint)) {
	resources := r.request.ResourceMetrics()
	for entry := range resources.Len() {
		var resource uint64
		known := false
		scopes := resources.At(entry).ScopeMetrics()
		for i := range scopes.Len() {
			metrics := scopes.At(i).Metrics()
			for j := range metrics.Len() {
				if !wanted(metrics.At(j)) {
					continue
				}
				if !known {
					resource, known = r.reader.identify(resources.At(entry).Resource().Attributes()), true
				}
				points := metrics.At(j).Gauge().DataPoints()
				for k := range points.Len() {
					if point := points.At(k); !point.Flags().NoRecordedValue() {
						visit(entry, resource, point)
					}
				}
			}
		}
	}
}

// identify gives a number to a set of attributes, whatever their order.
func (r *Reader) identify(attributes pcommon.Map) uint64 {
	var sum uint64
	var hash maphash.Hash
	hash.SetSeed(r.seed)
	for key, value := range attributes.All() {
		hash.Reset()
		// A hash never returns an error.
		_, _ = hash.WriteString(key)
		_ = hash.WriteByte(byte(value.Type()))
		_, _ = hash.WriteString(value.AsString())
		sum += hash.Sum64()
	}
	return sum
}
