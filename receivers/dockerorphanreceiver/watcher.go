package dockerorphanreceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
)

// RunLease is what the extension named by Config.Lease offers: what telemetry
// says about a run.
type RunLease interface {
	Run(id string) sandbox.RunStatus
}

// sandboxListener is what a RunLease offers besides if it wants to know of each
// sandbox: a run that starts some lives, whatever telemetry says.
type sandboxListener interface {
	Sandbox(run string, created time.Time)
}

// renewal is how long one connection to the event stream lasts: one that is
// broken can look like a silent one.
const renewal = time.Minute

// watcher scans the Engine, one scan at a time, and listens to its events in
// between.
type watcher struct {
	cfg    *Config
	log    *zap.Logger
	client *docker.Client
	exam   *docker.Examiner
	reaper *reaper
	ledger *ledger
	meter  *meter
	// heard is told of sandboxes; nil if nobody wants to know.
	heard sandboxListener

	up          bool
	everTold    bool
	crowdedTold bool

	cancel context.CancelFunc
	events sync.WaitGroup
}

func newWatcher(cfg *Config, set receiver.Settings) *watcher {
	return &watcher{cfg: cfg, log: set.Logger, ledger: newLedger(time.Now(), cfg)}
}

// start fails only over what waiting can't mend.
func (w *watcher) start(_ context.Context, host component.Host) error {
	client, err := docker.Dial(w.cfg.Endpoint)
	if err != nil {
		return err
	}
	var ask func(string) sandbox.RunStatus
	if w.cfg.Lease != nil {
		lease, ok := host.GetExtensions()[*w.cfg.Lease].(RunLease)
		if !ok {
			return errors.Join(fmt.Errorf("\"lease\" must name an extension that knows runs, and %q is not one", w.cfg.Lease), client.Close())
		}
		ask = lease.Run
		w.heard, _ = lease.(sandboxListener)
	}
	w.client = client
	w.meter = newMeter(w.cfg, client, w.log)
	w.exam = &docker.Examiner{
		Client: client, Proc: sandbox.Proc(w.cfg.HostProc), Run: ask, Now: newClock().now,
		Policy: sandbox.Policy{ExitedAfter: w.cfg.ExitedAfter, MaxAge: w.cfg.MaxAge},
	}
	// The context of Start ends before the receiver does.
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.reaper = newReaper(ctx, w.cfg, w.exam, w.ledger.reaped, w.log)
	w.events.Go(func() { w.listen(ctx) })
	return nil
}

func (w *watcher) shutdown(context.Context) error {
	if w.cancel == nil {
		return nil
	}
	w.cancel()
	w.events.Wait()
	w.reaper.wait()
	return w.client.Close()
}

// listen keeps a connection to the event stream, and takes up where it broke.
func (w *watcher) listen(ctx context.Context) {
	since := time.Now()
	for ctx.Err() == nil {
		spell, cancel := context.WithTimeout(ctx, renewal)
		_ = w.client.Watch(spell, since, func(e docker.Event) {
			w.ledger.event(e)
			since = later(since, e.Time.Add(time.Nanosecond))
		})
		renew := spell.Err() != nil
		cancel()
		if renew {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.cfg.CollectionInterval):
		}
	}
}

// scrape makes one scan. A lost Engine is a value, not an error.
func (w *watcher) scrape(ctx context.Context) (pmetric.Metrics, error) {
	// Not the controller's timeout, which would leave the consumers none.
	scan, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	now := time.Now()
	containers, err := w.client.List(scan)
	w.tell(err)
	if err != nil {
		if ctx.Err() == nil {
			w.client.Reset()
		}
		return w.ledger.metrics(time.Now(), false), nil
	}
	if w.heard != nil {
		for _, c := range containers {
			w.heard.Sandbox(c.Claim.Run, c.State.Created)
		}
	}
	found := w.judge(scan, containers)
	w.reaper.consider(now, found)
	w.meter.measure(scan, found)
	w.ledger.scan(now, found)
	w.log.Debug("Scanned the sandboxes.", zap.Int("containers", len(found)), zap.Duration("took", time.Since(now)))
	if w.ledger.isCrowded() && !w.crowdedTold {
		w.crowdedTold = true
		w.log.Warn("There are more runs than max_runs; the further ones are reported as of no known run. Is each sandbox labelled with a run of its own?",
			zap.Int("max_runs", w.cfg.MaxRuns))
	}
	return w.ledger.metrics(time.Now(), true), nil
}

func (w *watcher) judge(ctx context.Context, containers []docker.Container) []finding {
	found := make([]finding, len(containers))
	var ask []*finding
	for i, c := range containers {
		found[i].Container = c
		// The list does not say when and how a container stopped. That is asked
		// once.
		if _, known := w.ledger.state(c); !known {
			ask = append(ask, &found[i])
		}
	}
	each(ask, func(f *finding) {
		if full, err := w.client.Inspect(ctx, f.ID); err == nil {
			f.Container = full
			w.ledger.stopped(full)
		}
	})
	x := w.exam.Examine()
	for i := range found {
		f := &found[i]
		f.State, _ = w.ledger.state(f.Container)
		f.verdict = x.Judge(ctx, f.Container)
	}
	return found
}

// tell logs when the Engine is lost and when it is back, once each.
func (w *watcher) tell(err error) {
	up := err == nil
	if w.everTold && up == w.up {
		return
	}
	switch {
	case !up:
		w.log.Warn("The Docker Engine does not answer; sandboxes can't be watched until it does.",
			zap.String("endpoint", w.client.Endpoint()), zap.Error(err))
	case w.everTold:
		w.log.Info("The Docker Engine answers again.", zap.String("endpoint", w.client.Endpoint()))
	}
	w.up, w.everTold = up, true
}

// finding is one container in one scan.
type finding struct {
	docker.Container
	verdict sandbox.Verdict
	usage   cgroup.Usage
	used    bool
}

func (f *finding) running() bool {
	return f.State.Status == sandbox.StateRunning || f.State.Status == sandbox.StatePaused
}
