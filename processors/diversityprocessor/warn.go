package diversityprocessor

import (
	"hash/maphash"
	"sync"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/population"
	"github.com/evotel/evotel/semconv"
)

// maxRemembered bounds what is kept between requests. A set that is full is
// emptied: at worst a warning is given again.
const maxRemembered = 10_000

// remembered is a set of bounded size. It holds hashes, since a sender may choose
// keys of any length.
type remembered[K comparable] struct {
	mu     sync.Mutex
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

// add tells whether the key is new.
func (r *remembered[K]) add(key K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hashes == nil {
		r.seed = maphash.MakeSeed()
	}
	hash := maphash.Comparable(r.seed, key)
	if _, ok := r.hashes[hash]; ok {
		return false
	}
	if r.hashes == nil || len(r.hashes) >= maxRemembered {
		r.hashes = map[uint64]struct{}{}
	}
	r.hashes[hash] = struct{}{}
	return true
}

func (r *remembered[K]) has(key K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hashes == nil {
		return false
	}
	_, ok := r.hashes[maphash.Comparable(r.seed, key)]
	return ok
}

// warnOfPart says once a run that a snapshot is not whole.
func (d *diversity) warnOfPart(s *population.Snapshot) {
	if !d.warned.add(s.Island.Run) {
		return
	}
	size := zap.Skip()
	if s.HasSize {
		size = zap.Float64("population_size", s.Size)
	}
	d.log.Warn("A population snapshot is not whole, so its diversity is not reported. "+
		"Something between the loop and this processor splits requests (a batch processor must come after it), "+
		"or the loop reports another "+semconv.PopulationSize.Name+" than the individuals it sends.",
		zap.String(semconv.AttrRunID, s.Island.Run), zap.String(semconv.AttrIsland, s.Island.Name),
		size, zap.Int("individuals", s.Received))
}

// warnOfWrongTypes says once a type that individuals must be a gauge.
func (d *diversity) warnOfWrongTypes(request pmetric.Metrics) {
	for _, resource := range request.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, m := range scope.Metrics().All() {
				if m.Name() == semconv.IndividualFitness.Name && !population.IsIndividuals(m) && d.wrong.add(m.Type()) {
					d.log.Warn("Individuals are not measured but passed on, because their metric is not a gauge. "+
						"Report them with an observable gauge.",
						zap.String("metric", m.Name()), zap.Stringer("type", m.Type()),
						zap.String("scope", scope.Scope().Name()))
				}
			}
		}
	}
}
