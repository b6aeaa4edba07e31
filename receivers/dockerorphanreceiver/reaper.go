package dockerorphanreceiver

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/semconv"
)

// reaper removes orphans: those that were one in two scans at least grace
// apart, and are one still in a fresh look just before.
type reaper struct {
	cfg    CleanupConfig
	step   time.Duration
	limit  time.Duration
	exam   *docker.Examiner
	report func(run string, reason sandbox.Reason, result string)
	log    *zap.Logger
	ctx    context.Context
	slots  chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	pending map[string]*suspect
	busy    int
}

// suspect is a container that is an orphan for now.
type suspect struct {
	since    time.Time // first scan that found it an orphan
	retry    time.Time // not before
	attempts int
	busy     bool // a removal is waiting or under way
	dry      bool // reported in a dry run
	vanished bool // reported as gone by another hand
}

func newReaper(ctx context.Context, cfg *Config, exam *docker.Examiner, report func(string, sandbox.Reason, string), log *zap.Logger) *reaper {
	return &reaper{
		cfg: cfg.Cleanup, step: cfg.CollectionInterval, limit: cfg.Timeout,
		exam: exam, report: report, log: log, ctx: ctx,
		slots: make(chan struct{}, cfg.Cleanup.Concurrency), pending: map[string]*suspect{},
	}
}

func (r *reaper) wait() { r.wg.Wait() }

// consider takes the findings of a scan that saw everything. It never waits
// for the Engine. Scans that fail leave pending what is.
func (r *reaper) consider(now time.Time, found []finding) {
	if r.cfg.Mode == ModeOff {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := make(map[string]bool, len(r.pending))
	type work struct {
		finding
		*suspect
	}
	var due []work
	for _, f := range found {
		if f.verdict.Reason == sandbox.ReasonDockerUnreadable {
			keep[f.ID] = true // no news
			continue
		}
		if f.verdict.Kind != sandbox.Orphan {
			continue
		}
		keep[f.ID] = true
		s, ok := r.pending[f.ID]
		if !ok {
			r.pending[f.ID] = &suspect{since: now}
			continue
		}
		if !s.busy && !s.dry && now.Sub(s.since) >= r.cfg.Grace && !now.Before(s.retry) {
			due = append(due, work{f, s})
		}
	}
	for id, s := range r.pending {
		if !keep[id] && !s.busy {
			delete(r.pending, id)
		}
	}
	// Those that wait for a hung Engine count, too.
	room := max(0, r.cfg.MaxPerScan-r.busy)
	slices.SortStableFunc(due, func(a, b work) int {
		// Those that refuse to go must not keep others waiting.
		return cmp.Or(cmp.Compare(a.attempts, b.attempts), a.since.Compare(b.since))
	})
	for _, w := range due[:min(room, len(due))] {
		w.busy = true
		r.busy++
		r.wg.Go(func() { r.reap(w.Container, w.verdict.Reason, w.suspect) })
	}
}

// reap looks once more, and removes.
func (r *reaper) reap(c docker.Container, known sandbox.Reason, s *suspect) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-r.ctx.Done():
		return
	}
	reaped := r.exam.Reap(r.ctx, c.ID, docker.Reap{Look: r.limit, Act: r.cfg.Timeout, DryRun: r.cfg.Mode == ModeDryRun})
	if r.ctx.Err() != nil {
		return
	}
	if !r.settle(c.ID, s, reaped.Result) {
		return
	}
	reason := known
	if reaped.Verdict.Kind == sandbox.Orphan {
		reason = reaped.Verdict.Reason
	}
	fields := []zap.Field{
		zap.String("container", docker.Short(c.ID)), zap.String("name", c.Name),
		zap.String("run", c.Claim.Run), zap.String("reason", string(reason)),
	}
	switch reaped.Result {
	case semconv.ReapFailed:
		r.log.Warn("An orphaned sandbox could not be removed; trying again later.", append(fields, zap.Error(reaped.Err))...)
	case semconv.ReapDryRun:
		r.log.Info("An orphaned sandbox would be removed.", fields...)
	case semconv.ReapGone:
		r.log.Info("An orphaned sandbox was removed by another hand.", fields...)
	default:
		r.log.Info("Removed an orphaned sandbox.", fields...)
	}
	r.report(c.Claim.Run, reason, reaped.Result)
}

// settle decides what becomes of a suspect, and whether that is to be reported.
// One that is still there after it was removed has not gone after all; it is
// tried again, ever more rarely.
func (r *reaper) settle(id string, s *suspect, result string) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.busy = false
	r.busy--
	switch result {
	case "":
		delete(r.pending, id) // has an owner after all
		return false
	case semconv.ReapDryRun:
		s.dry = true
		return true
	}
	s.attempts++
	wait := r.cfg.MaxBackoff
	if s.attempts < 16 {
		wait = min(wait, r.step<<(s.attempts-1))
	}
	s.retry = time.Now().Add(wait)
	news = result != semconv.ReapGone || !s.vanished
	s.vanished = s.vanished || result == semconv.ReapGone
	return news
}
