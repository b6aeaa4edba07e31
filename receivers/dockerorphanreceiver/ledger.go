package dockerorphanreceiver

import (
	"sync"
	"time"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
	"github.com/evotel/evotel/semconv"
)

// ledger adds up what happened, per run. Scans, events and removals write to it.
type ledger struct {
	mu        sync.Mutex
	began     time.Time
	retention time.Duration
	runs      map[string]*account
	boxes     map[string]*box
}

// account is one run. Its counters begin at 0 at start.
type account struct {
	start, seen time.Time
	containers  map[stateVerdict]int64
	orphans     map[sandbox.Reason]int64
	unverified  map[sandbox.Reason]int64
	exits       map[string]int64
	reaps       map[reap]int64
	lifetime    histogram
	used        cgroup.Usage // sums; Memory is of now
	memoryMax   uint64       // of any one container now
}

type stateVerdict struct {
	state   string
	verdict sandbox.Kind
}

type reap struct {
	reason sandbox.Reason
	result string
}

// box is one container, as long as the Engine has it.
type box struct {
	run      string
	last     cgroup.Usage
	measured bool
	started  time.Time // by an event
	oom      bool
	exited   bool // its last exit is counted, or came before us
}

func newLedger(now time.Time, retention time.Duration) *ledger {
	l := &ledger{began: now, retention: retention, runs: map[string]*account{}, boxes: map[string]*box{}}
	// Sandboxes of no known run are reported from the start.
	l.account("", now)
	return l
}

func (l *ledger) account(run string, now time.Time) *account {
	a, ok := l.runs[run]
	if !ok {
		a = &account{
			start: now, seen: now, containers: map[stateVerdict]int64{}, orphans: map[sandbox.Reason]int64{},
			unverified: map[sandbox.Reason]int64{}, exits: map[string]int64{}, reaps: map[reap]int64{}, lifetime: newHistogram(),
		}
		l.runs[run] = a
	}
	return a
}

func (l *ledger) box(id, run string) *box {
	b, ok := l.boxes[id]
	if !ok {
		b = &box{run: run}
		l.boxes[id] = b
	}
	return b
}

// event takes note of what the Engine says as it happens.
func (l *ledger) event(e docker.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.box(e.ID, e.Run)
	switch e.Action {
	case docker.EventStart:
		b.started, b.exited, b.oom = e.Time, false, false
		l.account(b.run, time.Now()).seen = time.Now()
	case docker.EventOOM:
		b.oom = true
	case docker.EventDie:
		// The scan may have been quicker.
		if !b.exited {
			l.exit(b, e.ExitCode, b.oom, b.started, e.Time)
		}
	case docker.EventDestroy:
		delete(l.boxes, e.ID)
	}
}

// stopped takes note of a stopped container that a scan has met.
func (l *ledger) stopped(c docker.Container) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.box(c.ID, c.Claim.Run)
	if b.exited {
		return
	}
	if c.State.Finished.Before(l.began) {
		b.exited = true // not in our time
		return
	}
	l.exit(b, c.ExitCode, c.OOMKilled || b.oom, c.Started, c.State.Finished)
}

func (l *ledger) exit(b *box, code int, oom bool, started, finished time.Time) {
	b.exited = true
	a := l.account(b.run, time.Now())
	a.exits[exitKind(code, oom)]++
	if !started.IsZero() && finished.After(started) {
		a.lifetime.add(finished.Sub(started).Seconds())
	}
}

// exitKind tells how a process ended. From 128 on the code is that of a signal;
// those that a person or an engine stops a container with count as killed.
func exitKind(code int, oom bool) string {
	switch {
	case oom:
		return semconv.ExitOOMKilled
	case code == 0:
		return semconv.ExitOK
	case code == 129, code == 130, code == 137, code == 143: // HUP, INT, KILL, TERM
		return semconv.ExitKilled
	}
	return semconv.ExitError
}

func (l *ledger) knowsExit(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.boxes[id]
	return ok && b.exited
}

func (l *ledger) reaped(run string, reason sandbox.Reason, result string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account(run, time.Now()).reaps[reap{reason, result}]++
}

// scan takes the findings of a scan that saw everything.
func (l *ledger) scan(now time.Time, found []finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.runs {
		a.clearGauges()
	}
	there := make(map[string]bool, len(found))
	for _, f := range found {
		there[f.ID] = true
		a := l.account(f.Claim.Run, now)
		a.seen = now
		a.containers[stateVerdict{f.State.Status, f.verdict.Kind}]++
		switch f.verdict.Kind {
		case sandbox.Orphan:
			a.orphans[f.verdict.Reason]++
		case sandbox.Unverifiable:
			a.unverified[f.verdict.Reason]++
		}
		b := l.box(f.ID, f.Claim.Run)
		if f.used {
			// What it used before our time is not ours to report.
			if !b.measured && f.State.Created.Before(l.began) {
				b.last = f.usage
			}
			a.use(b.last, f.usage)
			b.last, b.measured = f.usage, true
		}
	}
	for id := range l.boxes {
		// An event can be ahead of the scan; it will end with its own event.
		if !there[id] && l.boxes[id].measured {
			delete(l.boxes, id)
		}
	}
	for run, a := range l.runs {
		if run != "" && now.Sub(a.seen) > l.retention {
			delete(l.runs, run)
		}
	}
}

func (a *account) clearGauges() {
	for k := range a.containers {
		a.containers[k] = 0
	}
	clear(a.orphans)
	clear(a.unverified)
	a.used.Memory, a.memoryMax = 0, 0
}

// use adds what a container has used since the last scan. Its counters begin
// anew when it is restarted.
func (a *account) use(last, now cgroup.Usage) {
	if now.CPU < last.CPU {
		last = cgroup.Usage{}
	}
	a.used.CPU += now.CPU - last.CPU
	a.used.NetworkReceived += since(last.NetworkReceived, now.NetworkReceived)
	a.used.NetworkSent += since(last.NetworkSent, now.NetworkSent)
	a.used.DiskRead += since(last.DiskRead, now.DiskRead)
	a.used.DiskWritten += since(last.DiskWritten, now.DiskWritten)
	a.used.Memory += now.Memory
	a.memoryMax = max(a.memoryMax, now.Memory)
}

func since(last, now uint64) uint64 {
	if now < last {
		return 0
	}
	return now - last
}
