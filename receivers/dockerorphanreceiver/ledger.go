package dockerorphanreceiver

import (
	"sync"
	"time"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
	"github.com/evotel/evotel/semconv"
)

// settling is how long after a SIGKILL the word of an OOM kill can come: the
// kernel tells of it by another way.
const settling = 5 * time.Second

// killed is the exit code after a SIGKILL.
const killed = 137

// ledger adds up what happened, per run. Scans, events and removals write to it.
type ledger struct {
	mu           sync.Mutex
	began        time.Time
	retention    time.Duration
	maxRuns      int
	perContainer bool
	runs         map[string]*account
	boxes        map[string]*box
	leaving      map[string]*exit
	// listed is when the last full list was asked for; zero before the first.
	listed time.Time
	// crowded is whether a run was not taken because there were too many.
	crowded bool
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
	touched  time.Time // by an event or a scan
	after    time.Time // it is not older: the list of then did not have it
	ran      time.Time // last scan that saw it running
	finished time.Time // its last stop, by the Engine's clock
	started  time.Time // by an event
	exited   bool      // its last exit is counted, or came before us
	oom      bool      // since its last exit
	last     cgroup.Usage
	measured bool
	// The rest is for its own metrics.
	name, image string
	created     time.Time
	running     bool
}

// exit is one that is not counted yet.
type exit struct {
	run  string
	code int
	oom  bool
	at   time.Time
}

func newLedger(now time.Time, cfg *Config) *ledger {
	l := &ledger{
		began: now, retention: cfg.RunRetention, maxRuns: cfg.MaxRuns, perContainer: cfg.PerContainer,
		runs: map[string]*account{}, boxes: map[string]*box{}, leaving: map[string]*exit{},
	}
	// Sandboxes of no known run are reported from the start.
	l.account("", now)
	return l
}

// account returns that of the run, or of no known run where there are too many.
func (l *ledger) account(run string, now time.Time) *account {
	a, ok := l.runs[run]
	if ok {
		return a
	}
	if len(l.runs) > l.maxRuns {
		l.crowded = true
		return l.runs[""]
	}
	a = &account{
		start: now, seen: now, containers: map[stateVerdict]int64{}, orphans: map[sandbox.Reason]int64{},
		unverified: map[sandbox.Reason]int64{}, exits: map[string]int64{}, reaps: map[reap]int64{}, lifetime: newHistogram(),
	}
	l.runs[run] = a
	return a
}

func (l *ledger) box(id, run string) *box {
	b, ok := l.boxes[id]
	if !ok {
		b = &box{run: run, after: l.listed}
		l.boxes[id] = b
	}
	b.touched = time.Now()
	return b
}

// event takes note of what the Engine says as it happens.
func (l *ledger) event(e docker.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Action == docker.EventDestroy {
		delete(l.boxes, e.ID)
		return
	}
	_, known := l.boxes[e.ID]
	b := l.box(e.ID, e.Run)
	switch e.Action {
	case docker.EventStart:
		b.started, b.finished, b.exited = e.Time, time.Time{}, false
		l.account(b.run, b.touched).seen = b.touched
	case docker.EventOOM:
		// It can come after the exit, and even before the start.
		if leaving, ok := l.leaving[e.ID]; ok && (b.exited || !known) {
			leaving.oom = true
		} else {
			b.oom = true
		}
	case docker.EventDie:
		b.finished = e.Time
		// The scan may have been quicker.
		if !b.exited {
			l.exit(e.ID, b, e.ExitCode, b.oom, b.started, e.Time)
		}
	}
}

// stopped takes note of a stopped container that a scan has met.
func (l *ledger) stopped(c docker.Container) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.box(c.ID, c.Claim.Run)
	b.finished = c.State.Finished
	if b.exited {
		return
	}
	if c.State.Finished.Before(l.began) {
		b.exited = true // not in our time
		return
	}
	l.exit(c.ID, b, c.ExitCode, c.OOMKilled || b.oom, c.Started, c.State.Finished)
}

func (l *ledger) exit(id string, b *box, code int, oom bool, started, finished time.Time) {
	b.exited = true
	if earlier, ok := l.leaving[id]; ok {
		l.count(earlier)
	}
	l.leaving[id] = &exit{run: b.run, code: code, oom: oom, at: time.Now()}
	b.oom = false
	if !started.IsZero() && finished.After(started) {
		l.account(b.run, time.Now()).lifetime.add(finished.Sub(started).Seconds())
	}
}

func (l *ledger) count(e *exit) { l.account(e.run, e.at).exits[exitKind(e.code, e.oom)]++ }

// settle counts the exits of which no more will be heard.
func (l *ledger) settle(now time.Time) {
	for id, e := range l.leaving {
		if e.code == killed && !e.oom && now.Sub(e.at) < settling {
			continue
		}
		l.count(e)
		delete(l.leaving, id)
	}
}

// exitKind tells how a process ended. From 128 on the code is that of a signal;
// those that a person or an engine stops a container with count as killed. A
// sandbox that lost a child to the OOM killer and went on to succeed is ok.
func exitKind(code int, oom bool) string {
	switch {
	case code == 0:
		return semconv.ExitOK
	case oom:
		return semconv.ExitOOMKilled
	case code == 129, code == 130, code == killed, code == 143: // HUP, INT, KILL, TERM
		return semconv.ExitKilled
	}
	return semconv.ExitError
}

// state returns the container's state with what we know better, and whether an
// inspection would tell more. No time can lie further back than we have seen
// with our own eyes: a clock may have been stepped since.
func (l *ledger) state(c docker.Container) (s sandbox.State, asked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s = c.State
	b := l.box(c.ID, c.Claim.Run)
	s.Created = later(s.Created, b.after)
	switch s.Status {
	case sandbox.StateExited, sandbox.StateDead:
		if !b.exited {
			return s, false
		}
		if s.Finished.IsZero() {
			s.Finished = b.finished
		}
		if !s.Finished.IsZero() {
			s.Finished = later(s.Finished, b.ran)
		}
	}
	return s, true
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (l *ledger) reaped(run string, reason sandbox.Reason, result string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account(run, time.Now()).reaps[reap{reason, result}]++
}

// scan takes the findings of a scan that saw everything that was there at now.
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
		b.name, b.image, b.created, b.running = f.Name, f.Image, f.State.Created, f.running()
		if !b.running {
			continue
		}
		b.ran = now
		if f.used {
			// What it used before our time is not ours to report.
			if !b.measured && f.State.Created.Before(l.began) {
				b.last = f.usage
			}
			a.use(b.last, f.usage)
			b.last, b.measured = f.usage, true
		}
		// Where there was no time to ask, what was is likelier than nothing.
		a.used.Memory += b.last.Memory
		a.memoryMax = max(a.memoryMax, b.last.Memory)
	}
	for id, b := range l.boxes {
		// An event can be ahead of the list.
		if !there[id] && b.touched.Before(now) {
			delete(l.boxes, id)
		}
	}
	l.listed = now
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
}

func since(last, now uint64) uint64 {
	if now < last {
		return 0
	}
	return now - last
}
