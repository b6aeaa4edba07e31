package dockerorphanreceiver

import (
	"context"
	"errors"
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
}

// suspect is a container that is an orphan for now.
type suspect struct {
	since    time.Time // first scan that found it an orphan
	retry    time.Time // not before
	failures int
	busy     bool // a removal is under way
	done     bool // reported in a dry run, or removed
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
	orphans := map[string]bool{}
	begun := 0
	for _, f := range found {
		if f.verdict.Kind != sandbox.Orphan {
			continue
		}
		orphans[f.ID] = true
		s, ok := r.pending[f.ID]
		if !ok {
			r.pending[f.ID] = &suspect{since: now}
			continue
		}
		if s.busy || s.done || now.Sub(s.since) < r.cfg.Grace || now.Before(s.retry) || begun >= r.cfg.MaxPerScan {
			continue
		}
		// A hung Engine must not gather waiting goroutines.
		select {
		case r.slots <- struct{}{}:
		default:
			continue
		}
		begun++
		s.busy = true
		r.wg.Go(func() {
			defer func() { <-r.slots }()
			r.reap(f.Container, f.verdict.Reason, s)
		})
	}
	for id, s := range r.pending {
		if !orphans[id] && !s.busy {
			delete(r.pending, id)
		}
	}
}

// reap looks once more, and removes.
func (r *reaper) reap(c docker.Container, known sandbox.Reason, s *suspect) {
	reason, result, err := r.try(c, known)
	if r.ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	s.busy = false
	switch result {
	case "":
		delete(r.pending, c.ID) // has an owner after all
	case semconv.ReapFailed:
		s.failures++
		wait := r.cfg.MaxBackoff
		if s.failures < 16 {
			wait = min(wait, r.step<<(s.failures-1))
		}
		s.retry = time.Now().Add(wait)
	default:
		s.done = true
	}
	r.mu.Unlock()
	fields := []zap.Field{
		zap.String("container", docker.Short(c.ID)), zap.String("name", c.Name),
		zap.String("run", c.Claim.Run), zap.String("reason", string(reason)),
	}
	switch result {
	case "":
		return
	case semconv.ReapFailed:
		r.log.Warn("An orphaned sandbox could not be removed; trying again later.", append(fields, zap.Error(err))...)
	case semconv.ReapDryRun:
		r.log.Info("An orphaned sandbox would be removed.", fields...)
	default:
		r.log.Info("Removed an orphaned sandbox.", append(fields, zap.String("result", result))...)
	}
	r.report(c.Claim.Run, reason, result)
}

// try returns what came of it; an empty result if it is no orphan any more.
func (r *reaper) try(c docker.Container, known sandbox.Reason) (reason sandbox.Reason, result string, err error) {
	look, cancel := context.WithTimeout(r.ctx, r.limit)
	defer cancel()
	fresh, err := r.exam.Client.Inspect(look, c.ID)
	if errors.Is(err, docker.ErrGone) {
		return known, semconv.ReapGone, nil
	}
	if err != nil {
		return known, semconv.ReapFailed, err
	}
	verdict := r.exam.Examine().Judge(look, fresh)
	if verdict.Kind != sandbox.Orphan {
		return "", "", nil
	}
	if r.cfg.Mode == ModeDryRun {
		return verdict.Reason, semconv.ReapDryRun, nil
	}
	act, cancelAct := context.WithTimeout(r.ctx, r.cfg.Timeout)
	defer cancelAct()
	err = r.exam.Client.Remove(act, c.ID)
	switch {
	case err == nil:
		return verdict.Reason, semconv.ReapRemoved, nil
	case errors.Is(err, docker.ErrGone), errors.Is(err, docker.ErrInProgress):
		return verdict.Reason, semconv.ReapGone, nil
	}
	return verdict.Reason, semconv.ReapFailed, err
}
