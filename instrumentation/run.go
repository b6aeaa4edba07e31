package instrumentation

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/evotel/evotel/semconv"
)

// Run is one evolutionary run. All methods may be called from many goroutines,
// and on a nil Run, where they do nothing.
type Run struct {
	monitor *Monitor
	id      string
	started time.Time

	iterations         inflight
	iterationSuccess   histogram
	iterationFailure   histogram // a failure of no named type; there from the start
	evaluations        inflight
	evaluationOutcomes [len(evaluationOutcomes)]histogram

	// mu guards what follows, for a few instructions at a time: never while
	// anything is encoded or sent.
	mu                 sync.Mutex
	iterationFailures  map[string]*histogram // by error.type
	next               int64                 // number of the next iteration
	current            int64                 // number of the last finished iteration
	championIteration  int64
	championFitness    float64
	championKnown      bool
	islands            []*snapshot
	state              string
	warnedOfPopulation bool
	warnedOfIslands    bool
	forgotten          bool // no longer exported; takes no more populations
}

// maxIslands is how many islands a run may have at once. Names made anew for each
// generation must not grow for ever, neither here nor in Prometheus.
const maxIslands = 1000

// RunOption is an option of Monitor.Run.
type RunOption func(*Run)

// WithRunID names the run, a new UUID by default. Give a resumed run the id that
// it had. An id that is in use in this process is taken over from the older run.
// Beyond 256 bytes it is cut, and bytes that aren't UTF-8 are written as \xNN.
func WithRunID(id string) RunOption {
	return func(r *Run) {
		if id != "" {
			r.id = id
		}
	}
}

// WithFirstIteration says that the run is resumed: its next iteration is number
// n, 1 by default.
func WithFirstIteration(n int) RunOption {
	return func(r *Run) { r.next = int64(max(n, 1)) }
}

// WithChampion says which champion a resumed run starts with: the iteration at
// which it was found, and its fitness.
func WithChampion(iteration int, fitness float64) RunOption {
	return func(r *Run) {
		r.championIteration, r.championFitness, r.championKnown = int64(iteration), fitness, true
	}
}

func newRun(m *Monitor, now time.Time, opts []RunOption) *Run {
	r := &Run{
		monitor: m, started: now,
		next: 1, championIteration: -1,
		iterationFailures: map[string]*histogram{},
		state:             semconv.RunRunning,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(r)
		}
	}
	if r.id == "" {
		r.id = uuid.NewString()
	}
	r.id = name(r.id)
	r.current = r.next - 1
	if r.championIteration < 0 {
		// A run that never finds a champion must count as stale, a resumed one
		// from where it is resumed.
		r.championIteration = r.current
	}
	return r
}

// ID is the run's id: what WithRunID said, else a UUID.
func (r *Run) ID() string {
	if r == nil {
		return ""
	}
	return r.id
}

// Iteration begins the next iteration.
func (r *Run) Iteration() Iteration {
	if r == nil {
		return Iteration{}
	}
	r.mu.Lock()
	number := r.next
	r.next++
	r.mu.Unlock()
	return Iteration{run: r, number: number, ticket: r.iterations.begin(time.Now())}
}

// Evaluation begins the scoring of one candidate. Evaluations may overlap.
func (r *Run) Evaluation() Evaluation {
	if r == nil {
		return Evaluation{}
	}
	return Evaluation{run: r, ticket: r.evaluations.begin(time.Now())}
}

// Champion says how fit the best individual found so far is, greater or smaller
// being better as the loop has it. A fitness other than the last one means that
// there is a new champion, as of the iteration in progress, so that it may be
// handed over in every iteration: but the best so far, not the best of the
// present generation, which goes up and down.
func (r *Run) Champion(fitness float64) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	same := fitness == r.championFitness || math.IsNaN(fitness) && math.IsNaN(r.championFitness)
	if r.championKnown && same {
		return
	}
	r.championIteration, r.championFitness, r.championKnown = r.next-1, fitness, true
}

// Population replaces what is known of an island's population; "" stands for a
// loop without islands. Everything is copied, so that the slices may be changed
// afterwards. A population beyond the limit (WithPopulationLimit) is reported
// with its size only, and an island beyond 1 000 not at all.
func (r *Run) Population(island string, individuals []Individual) {
	if r == nil {
		return
	}
	s := r.monitor.newSnapshot()
	s.island, s.size = island, len(individuals)

	// The room is taken before the copy is made, and the old snapshot's is
	// given back after it was replaced: both exist for a moment.
	need, fits := spaceOf(individuals, r.monitor.config.populationLimit)
	fits = fits && r.monitor.takeRoom(need.cost, r.cost(island))
	if fits {
		s.fill(individuals, need)
	}

	r.mu.Lock()
	i := slices.IndexFunc(r.islands, func(old *snapshot) bool { return old.island == island })
	crowded := i < 0 && len(r.islands) >= maxIslands
	switch {
	case r.forgotten || crowded:
		r.retire(s)
	case i >= 0:
		r.retire(r.islands[i])
		r.islands[i] = s
	default:
		r.islands = append(r.islands, s)
	}
	warnOfPopulation := !fits && !r.warnedOfPopulation
	r.warnedOfPopulation = r.warnedOfPopulation || warnOfPopulation
	warnOfIslands := crowded && !r.warnedOfIslands
	r.warnedOfIslands = r.warnedOfIslands || warnOfIslands
	r.mu.Unlock()

	if warnOfPopulation {
		r.monitor.warn("evotel: a population is too large to be exported; only its size is reported. "+
			"Hand over a sample of it, smaller genomes (MinHash for programs), or raise WithPopulationLimit",
			"run", r.id, "island", island, "individuals", len(individuals), "limit", r.monitor.config.populationLimit)
	}
	if warnOfIslands {
		r.monitor.warn("evotel: a run has more islands than can be reported; the others are left out. "+
			"Call RemoveIsland for those that are no more, and give those that live on the same name in every generation",
			"run", r.id, "island", island, "limit", maxIslands)
	}
}

// RemoveIsland forgets an island that is no more.
func (r *Run) RemoveIsland(island string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.islands = slices.DeleteFunc(r.islands, func(s *snapshot) bool {
		if s.island == island {
			r.retire(s)
			return true
		}
		return false
	})
}

// End says how the run ended: completed if err is nil, else failed, which
// includes having been cancelled. The first End counts. What the run last
// reported goes on being exported until Monitor.Shutdown.
func (r *Run) End(err error) {
	if r == nil {
		return
	}
	state := semconv.RunCompleted
	if err != nil {
		state = semconv.RunFailed
	}
	if r.setEnd(state) {
		r.monitor.ended()
	}
}

func (r *Run) setEnd(state string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != semconv.RunRunning {
		return false
	}
	r.state = state
	return true
}

func (r *Run) hasEnded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state != semconv.RunRunning
}

// cost is the cost of the island's present snapshot.
func (r *Run) cost(island string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.islands {
		if s.island == island {
			return s.cost
		}
	}
	return 0
}

// retire takes a snapshot out of use; r.mu is held. Its memory is used again as
// soon as no collection reads it.
func (r *Run) retire(s *snapshot) {
	r.monitor.giveRoom(s.cost)
	s.retired = true
	if s.readers == 0 {
		r.monitor.freeSnapshot(s)
	}
}

// forget gives up all that the run holds.
func (r *Run) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.islands {
		r.retire(s)
	}
	r.islands, r.forgotten = nil, true
}

// readIslands returns the present snapshots and a function to call after reading.
func (r *Run) readIslands() (islands []*snapshot, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	islands = slices.Clone(r.islands)
	for _, s := range islands {
		s.readers++
	}
	return islands, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, s := range islands {
			s.readers--
			if s.retired && s.readers == 0 {
				r.monitor.freeSnapshot(s)
			}
		}
	}
}

// Iteration is one iteration of a run, in progress.
type Iteration struct {
	run    *Run
	number int64
	ticket ticket
}

// Number is the iteration's number, from 1; 0 on a nil Run.
func (it Iteration) Number() int64 { return it.number }

// End says how the iteration ended: well if err is nil. The first End counts. An
// iteration that is not ended, as when the loop is told to stop, is not counted.
func (it Iteration) End(err error) {
	r := it.run
	if r == nil {
		return
	}
	start, ok := r.iterations.end(it.ticket)
	if !ok {
		return
	}
	took := time.Since(start)
	if err == nil {
		r.iterationSuccess.record(took)
	} else {
		r.failure(errorType(err)).record(took)
	}
	r.mu.Lock()
	// Iterations may overlap and end in any order.
	r.current = max(r.current, it.number)
	r.mu.Unlock()
}

func (r *Run) failure(kind string) *histogram {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.iterationFailures[kind]
	if h == nil {
		if len(r.iterationFailures) >= errorTypes {
			kind = errorTypeOther
		}
		if h = r.iterationFailures[kind]; h == nil {
			h = &histogram{}
			r.iterationFailures[kind] = h
		}
	}
	return h
}

// Evaluation is the scoring of one candidate, in progress.
type Evaluation struct {
	run    *Run
	ticket ticket
}

// evaluationOutcomes are the outcomes of an evaluation, all there from the start.
var evaluationOutcomes = [...]string{semconv.OutcomeSuccess, semconv.OutcomeFailure, semconv.OutcomeTimeout}

// End says how the evaluation ended: well if err is nil, by timeout if err is
// context.DeadlineExceeded or says of itself that it is a timeout, else by
// failure. The first End counts.
func (e Evaluation) End(err error) {
	r := e.run
	if r == nil {
		return
	}
	start, ok := r.evaluations.end(e.ticket)
	if !ok {
		return
	}
	outcome := semconv.OutcomeSuccess
	switch {
	case err == nil:
	case isTimeout(err):
		outcome = semconv.OutcomeTimeout
	default:
		outcome = semconv.OutcomeFailure
	}
	r.evaluationOutcomes[slices.Index(evaluationOutcomes[:], outcome)].record(time.Since(start))
}
