package docker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/evotel/evotel/sandbox"
)

// Examiner gathers the evidence about sandboxes and has it judged. Its fields
// must not change once it is in use; it is safe for use by many goroutines.
type Examiner struct {
	// Client is the Engine that runs the sandboxes, and perhaps their owners.
	Client *Client
	// Proc shows the processes of the Engine's host.
	Proc sandbox.Proc
	// Policy bounds idleness and age.
	Policy sandbox.Policy
	// Run says what telemetry knows of a run; nil if there is none to ask.
	Run func(run string) sandbox.RunStatus
	// Now is the time; nil means time.Now.
	Now func() time.Time

	mu sync.Mutex
	// met holds owner containers that this Engine has had. Only of such can it
	// say for sure that they are gone.
	met map[string]bool
}

// Examination is one look at the world: each owner is looked at once, however
// many sandboxes it has. It is for one goroutine, and soon out of date.
type Examination struct {
	e          *Examiner
	host       sandbox.Host
	now        time.Time
	processes  map[int]sandbox.Process
	containers map[string]ownerContainer
	namespaces map[string]bool
}

type ownerContainer struct {
	status     sandbox.ContainerStatus
	absent     bool
	unreadable bool
}

// Examine begins a look at the world.
func (e *Examiner) Examine() *Examination {
	now := time.Now
	if e.Now != nil {
		now = e.Now
	}
	return &Examination{
		e: e, host: e.Proc.Host(), now: now(),
		processes:  map[int]sandbox.Process{},
		containers: map[string]ownerContainer{},
		namespaces: map[string]bool{},
	}
}

// Judge gives the verdict over a container.
func (x *Examination) Judge(ctx context.Context, c Container) sandbox.Verdict {
	o := sandbox.Observations{Now: x.now, Host: x.host}
	owner := c.Claim.Owner
	if owner.PID != 0 {
		process, ok := x.processes[owner.PID]
		if !ok {
			process = x.e.Proc.Process(owner.PID)
			x.processes[owner.PID] = process
		}
		o.Process = process
	}
	unreadable := false
	if owner.Container != "" {
		o.OwnerContainer, unreadable = x.ownerContainer(ctx, owner, o.Process)
	}
	if x.e.Run != nil && c.Claim.Run != "" {
		o.Run = x.e.Run(c.Claim.Run)
	}
	v := sandbox.Judge(c.Claim, c.State, o, x.e.Policy)
	if v.Kind == sandbox.Unverifiable && unreadable {
		v.Reason = sandbox.ReasonDockerUnreadable
	}
	return v
}

// ownerContainer asks the Engine about the container of an owner.
func (x *Examination) ownerContainer(ctx context.Context, owner sandbox.Owner, p sandbox.Process) (status sandbox.ContainerStatus, unreadable bool) {
	known, ok := x.containers[owner.Container]
	if !ok {
		known = x.askEngine(ctx, owner.Container)
		x.containers[owner.Container] = known
	}
	if known.absent && x.absenceProves(owner, p) {
		return sandbox.ContainerGone, false
	}
	return known.status, known.unreadable
}

func (x *Examination) askEngine(ctx context.Context, id string) ownerContainer {
	c, err := x.e.Client.Inspect(ctx, id)
	switch {
	case errors.Is(err, ErrGone):
		return ownerContainer{absent: true}
	case err != nil:
		return ownerContainer{unreadable: true}
	}
	x.e.mu.Lock()
	if x.e.met == nil {
		x.e.met = map[string]bool{}
	}
	x.e.met[id] = true
	x.e.mu.Unlock()
	switch c.State.Status {
	case sandbox.StateRunning, sandbox.StatePaused, sandbox.StateRestarting:
		return ownerContainer{status: sandbox.ContainerRunning}
	case sandbox.StateExited, sandbox.StateDead, sandbox.StateCreated:
		return ownerContainer{status: sandbox.ContainerGone}
	}
	return ownerContainer{}
}

// absenceProves is whether it means anything that this Engine does not know the
// owner's container. An owner can run in a container of another engine: Podman
// beside Docker, Docker in Docker, or on another host altogether.
func (x *Examination) absenceProves(owner sandbox.Owner, p sandbox.Process) bool {
	x.e.mu.Lock()
	met := x.e.met[owner.Container]
	x.e.mu.Unlock()
	if met {
		return true
	}
	// Who labels by hand with nothing but a container means this Engine.
	if owner.Machine == "" && owner.Boot == "" && owner.PIDNS == "" {
		return true
	}
	if owner.Boot == "" || owner.Boot != x.host.Boot || owner.PIDNS == "" {
		return false
	}
	if owner.PIDNS == x.host.PIDNS {
		// It shares the host's PID namespace: the process itself tells.
		return p.Status == sandbox.ProcessGone || p.Status == sandbox.ProcessRunning && p.Start != owner.Start
	}
	free, ok := x.namespaces[owner.PIDNS]
	if !ok {
		inUse, known := x.e.Proc.NamespaceInUse(owner.PIDNS)
		free = known && !inUse
		x.namespaces[owner.PIDNS] = free
	}
	return free
}
