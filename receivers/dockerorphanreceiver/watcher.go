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

// watcher scans the Engine, one scan at a time, and listens to its events in
// between.
type watcher struct {
	cfg    *Config
	set    receiver.Settings
	log    *zap.Logger
	client *docker.Client
	exam   *docker.Examiner
	reaper *reaper
	ledger *ledger
	cgroup *cgroup.Reader
	// unlearnt holds containers whose cgroup could not be found, so that the
	// Engine is not asked about them on each scan.
	unlearnt map[string]bool

	up       bool
	everTold bool
	slowTold bool

	cancel context.CancelFunc
	events sync.WaitGroup
}

func newWatcher(cfg *Config, set receiver.Settings) *watcher {
	return &watcher{cfg: cfg, set: set, log: set.Logger, ledger: newLedger(time.Now(), cfg.RunRetention), unlearnt: map[string]bool{}}
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
	}
	w.client = client
	clock := newClock(w.cfg.RunRetention)
	w.exam = &docker.Examiner{
		Client: client, Proc: sandbox.Proc(w.cfg.HostProc), Run: ask, Now: clock.now,
		Policy: sandbox.Policy{ExitedAfter: w.cfg.ExitedAfter, MaxAge: w.cfg.MaxAge},
	}
	if w.cfg.HostCgroup != "" {
		if r := cgroup.NewReader(w.cfg.HostCgroup, w.cfg.HostProc); r.Available() {
			w.cgroup = r
		}
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
		_ = w.client.Watch(ctx, since, func(e docker.Event) {
			w.ledger.event(e)
			since = e.Time.Add(time.Nanosecond)
		})
		select {
		case <-ctx.Done():
		case <-time.After(w.cfg.CollectionInterval):
		}
	}
}

// scrape makes one scan. A lost Engine is a value, not an error.
func (w *watcher) scrape(ctx context.Context) (pmetric.Metrics, error) {
	now := time.Now()
	containers, err := w.client.List(ctx)
	w.tell(err)
	if err != nil {
		return w.ledger.metrics(now, false), nil
	}
	x := w.exam.Examine()
	found := make([]finding, 0, len(containers))
	for _, c := range containers {
		f := finding{Container: c}
		if w.needsInspect(c) {
			if full, err := w.client.Inspect(ctx, c.ID); err == nil {
				f.Container = full
				w.ledger.stopped(full)
			}
		}
		f.verdict = x.Judge(ctx, f.Container)
		if c.State.Status == sandbox.StateRunning || c.State.Status == sandbox.StatePaused {
			f.usage, f.used = w.usage(ctx, c.ID)
		}
		found = append(found, f)
	}
	w.ledger.scan(now, found)
	w.reaper.consider(now, found)
	w.forget(containers)
	return w.ledger.metrics(now, true), nil
}

// needsInspect is whether the list says too little: not when and how a
// container stopped, which is asked for once.
func (w *watcher) needsInspect(c docker.Container) bool {
	switch c.State.Status {
	case sandbox.StateExited, sandbox.StateDead:
		return w.cfg.ExitedAfter > 0 || !w.ledger.knowsExit(c.ID)
	}
	return false
}

// usage reads the cgroup's files, and asks the Engine only where they are not
// to be seen.
func (w *watcher) usage(ctx context.Context, id string) (cgroup.Usage, bool) {
	if w.cgroup != nil && !w.unlearnt[id] {
		u, err := w.cgroup.Read(id)
		if err == nil {
			return u, true
		}
		if c, err := w.client.Inspect(ctx, id); err == nil && c.PID != 0 {
			if w.cgroup.Learn(id, c.PID) == nil {
				if u, err := w.cgroup.Read(id); err == nil {
					return u, true
				}
			}
		}
		w.unlearnt[id] = true
	}
	if !w.slowTold {
		w.slowTold = true
		w.log.Warn("Cgroup files of a sandbox are not visible here; asking the Engine instead, which is slower. Mount them, or see host_cgroup and host_proc.",
			zap.String("host_cgroup", w.cfg.HostCgroup), zap.String("container", docker.Short(id)))
	}
	u, err := w.client.Stats(ctx, id)
	return u, err == nil
}

// forget drops what is remembered of containers that are gone.
func (w *watcher) forget(containers []docker.Container) {
	if len(w.unlearnt) == 0 {
		return
	}
	there := make(map[string]bool, len(containers))
	for _, c := range containers {
		there[c.ID] = true
	}
	for id := range w.unlearnt {
		if !there[id] {
			delete(w.unlearnt, id)
		}
	}
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
