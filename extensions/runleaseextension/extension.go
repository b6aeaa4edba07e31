package runleaseextension

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/evotel/evotel/extensions/runleaseextension/internal/metadata"
	"github.com/evotel/evotel/extensions/runleaseextension/lease"
)

const (
	// key is where the storage keeps the book.
	key = "runs"
	// saveEvery is how often what only got older is saved; what is new is saved
	// at the next tick.
	saveEvery = time.Minute
)

// runLease keeps a book of runs, and saves it. The book's methods Hear, Run and
// Sandbox are what other components use it by.
type runLease struct {
	*lease.Book
	id        component.ID
	storageID *component.ID
	tick      time.Duration
	log       *zap.Logger
	telemetry *metadata.TelemetryBuilder

	storage storage.Client // nil: in memory only
	stop    context.CancelFunc
	stopped chan struct{}
	// failing is whether the last save failed, so that it is told once.
	failing bool
}

func newRunLease(id component.ID, c *Config, log *zap.Logger, telemetry *metadata.TelemetryBuilder, now func() lease.Instant) *runLease {
	// Often enough for gaps that are short against SilentAfter to be noticed.
	tick := min(max(c.SilentAfter/20, 100*time.Millisecond), 5*time.Second)
	return &runLease{
		Book: lease.NewBook(lease.Policy{
			SilentAfter: c.SilentAfter, EndedAfter: c.EndedAfter, Retention: c.Retention, MaxRuns: c.MaxRuns, Tick: tick,
		}, now),
		id: id, storageID: c.Storage, tick: tick, log: log, telemetry: telemetry,
	}
}

// clock returns the time since it was made, which does not advance while the
// machine is suspended, and the wall clock's.
func clock() func() lease.Instant {
	start := time.Now()
	return func() lease.Instant {
		now := time.Now()
		return lease.Instant{Mono: now.Sub(start), Wall: now.Round(0)}
	}
}

// Dependencies makes the Collector start the storage first.
func (r *runLease) Dependencies() []component.ID {
	if r.storageID == nil {
		return nil
	}
	return []component.ID{*r.storageID}
}

// Start reads what was known before.
func (r *runLease) Start(ctx context.Context, host component.Host) error {
	if r.storageID != nil {
		keeper, ok := host.GetExtensions()[*r.storageID].(storage.Extension)
		if !ok {
			return fmt.Errorf("\"storage\" must name a storage extension that is in service::extensions, and %q is not one", r.storageID)
		}
		client, err := keeper.GetClient(ctx, component.KindExtension, r.id, "")
		if err != nil {
			return fmt.Errorf("opening the storage %q: %w", r.storageID, err)
		}
		r.storage = client
		r.restore(ctx)
	}
	if err := r.observe(); err != nil {
		return errors.Join(err, r.close(ctx))
	}
	// The context of Start ends before the extension does.
	running, stop := context.WithCancel(context.Background())
	r.stop, r.stopped = stop, make(chan struct{})
	go r.run(running)
	return nil
}

// restore begins anew if what was saved can't be read. Then nobody is known, and
// nobody condemned.
func (r *runLease) restore(ctx context.Context) {
	text, err := r.storage.Get(ctx, key)
	if err == nil && len(text) == 0 {
		return
	}
	if err == nil {
		err = r.Restore(text)
	}
	if err != nil {
		r.log.Warn("What was known of runs before this start is lost. Sandboxes of runs that ended before stay unverifiable.",
			zap.Stringer("storage", r.storageID), zap.Error(err))
		return
	}
	if runs, _, _ := r.Len(); runs > 0 {
		r.log.Info("Remembering runs from before this start.", zap.Int("runs", runs))
	}
}

func (r *runLease) observe() error {
	return errors.Join(
		r.telemetry.RegisterExtensionRunLeaseRunsCallback(func(_ context.Context, o metric.Int64Observer) error {
			runs, _, _ := r.Len()
			o.Observe(int64(runs))
			return nil
		}),
		r.telemetry.RegisterExtensionRunLeaseSourcesCallback(func(_ context.Context, o metric.Int64Observer) error {
			_, sources, _ := r.Len()
			o.Observe(int64(sources))
			return nil
		}),
		r.telemetry.RegisterExtensionRunLeaseForgottenCallback(func(_ context.Context, o metric.Int64Observer) error {
			_, _, forgotten := r.Len()
			o.Observe(forgotten)
			return nil
		}),
	)
}

// run keeps the book's sense of time, and saves it.
func (r *runLease) run(ctx context.Context) {
	defer close(r.stopped)
	ticker := time.NewTicker(r.tick)
	defer ticker.Stop()
	saved := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		r.Tick()
		if r.Changed() || time.Since(saved) >= saveEvery {
			r.save(ctx)
			saved = time.Now()
		}
	}
}

func (r *runLease) save(ctx context.Context) {
	if r.storage == nil {
		return
	}
	text, err := r.Save()
	if err == nil {
		err = r.storage.Set(ctx, key, text)
	}
	switch {
	case err != nil && !r.failing:
		r.log.Warn("What is known of runs can't be saved, and would be lost in a restart; trying again.",
			zap.Stringer("storage", r.storageID), zap.Error(err))
	case err == nil && r.failing:
		r.log.Info("What is known of runs is saved again.")
	}
	r.failing = err != nil
}

// Shutdown saves for the last time.
func (r *runLease) Shutdown(ctx context.Context) error {
	if r.stop == nil {
		return nil
	}
	r.stop()
	<-r.stopped
	r.stop = nil
	r.save(ctx)
	r.telemetry.Shutdown()
	return r.close(ctx)
}

func (r *runLease) close(ctx context.Context) error {
	if r.storage == nil {
		return nil
	}
	return r.storage.Close(ctx)
}
