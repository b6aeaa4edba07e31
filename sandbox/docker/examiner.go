package docker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/evotel/evotel/sandbox"
)

// Examiner gathers the evidence about sandboxes and has it judged. Its fields
// must not change once it is in use; it is safe for use by many goroutines.
type Examiner struct {
	// Client is the Engine that runs the sandboxes, and perhaps their owners.
	Client *Client
	// Proc shows the processes of the host that the owners run on, as a rule
	// the Engine's.
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
	// images holds what the labels of images say.
	images map[string]sandbox.Claim
	// host is the host, once all of it is known: that does not change, and takes
	// files to read that grow with the number of containers.
	host *sandbox.Host
}

// maxRemembered bounds what an Examiner remembers of owners and of images. Who
// has forgotten asks again, or proves less.
const maxRemembered = 10_000

// Examination is one look at the world: each owner is looked at once, however
// many sandboxes it has. It is for one goroutine, and soon out of date.
type Examination struct {
	e          *Examiner
	host       sandbox.Host
	fresh      bool // host was read in this examination
	now        time.Time
	processes  map[int]sandbox.Process
	census     *sandbox.Census
	containers map[string]ownerContainer
}

type ownerContainer struct {
	status     sandbox.ContainerStatus
	unreadable bool
}

// Examine begins a look at the world.
func (e *Examiner) Examine() *Examination {
	now := time.Now
	if e.Now != nil {
		now = e.Now
	}
	x := &Examination{
		e: e, now: now(),
		processes:  map[int]sandbox.Process{},
		containers: map[string]ownerContainer{},
	}
	e.mu.Lock()
	known := e.host
	e.mu.Unlock()
	if known != nil {
		x.host = *known
	} else {
		x.lookAtHost()
	}
	return x
}

func (x *Examination) lookAtHost() {
	x.host, x.fresh = x.e.Proc.Host(), true
	if x.host.Boot != "" && x.host.PIDNS != "" && len(x.host.Machines) > 0 {
		host := x.host
		x.e.mu.Lock()
		x.e.host = &host
		x.e.mu.Unlock()
	}
}

// Judge gives the verdict over a container.
func (x *Examination) Judge(ctx context.Context, c Container) sandbox.Verdict {
	owner := c.Claim.Owner
	if owner.Boot != "" && owner.Boot != x.host.Boot && !x.fresh {
		x.lookAtHost() // when it booted changes with the clock
	}
	o := sandbox.Observations{Now: x.now, Host: x.host}
	inside := x.lookForOwner(owner, &o)
	unreadable := false
	if owner.Container != "" {
		var known ownerContainer
		known, unreadable = x.ownerContainer(ctx, owner.Container)
		o.OwnerContainer = known.status
		if inside && o.Process.Status == sandbox.ProcessRunning {
			// An Engine can lose sight of a container whose processes go on.
			o.OwnerContainer = sandbox.ContainerRunning
		}
	}
	if x.e.Run != nil && c.Claim.Run != "" {
		o.Run = x.e.Run(c.Claim.Run)
	}
	v := sandbox.Judge(c.Claim, c.State, o, x.e.Policy)
	switch v.Kind {
	case sandbox.Unverifiable:
		if unreadable {
			v.Reason = sandbox.ReasonDockerUnreadable
		}
	case sandbox.Orphan:
		image, err := x.e.imageClaim(ctx, c.ImageID)
		switch {
		case err != nil:
			return sandbox.Verdict{Kind: sandbox.Unverifiable, Reason: sandbox.ReasonDockerUnreadable}
		case sandbox.Inherited(c.Claim, image, v.Reason):
			return sandbox.Verdict{Kind: sandbox.Unverifiable, Reason: sandbox.ReasonLabelsInherited}
		}
	}
	return v
}

// lookForOwner observes the owner's process in the PID namespace that the
// labels name, if that can be seen from here. The result is whether it is one
// inside of the host's.
func (x *Examination) lookForOwner(owner sandbox.Owner, o *sandbox.Observations) (inside bool) {
	if owner.PID == 0 || owner.PIDNS == "" || owner.Boot != x.host.Boot {
		return false
	}
	if owner.PIDNS != x.host.PIDNS {
		if x.census == nil {
			census := x.e.Proc.Census()
			x.census = &census
		}
		found := x.census.Find(owner.PIDNS, owner.PID, owner.Start)
		if found.Status == sandbox.ProcessUnknown {
			return false
		}
		o.Process, o.Host.PIDNS = found, owner.PIDNS
		return true
	}
	process, ok := x.processes[owner.PID]
	if !ok {
		process = x.e.Proc.Process(owner.PID)
		x.processes[owner.PID] = process
	}
	o.Process = process
	return false
}

// ownerContainer asks the Engine about the container of an owner.
func (x *Examination) ownerContainer(ctx context.Context, id string) (known ownerContainer, unreadable bool) {
	known, ok := x.containers[id]
	if !ok {
		known = x.e.askEngine(ctx, id)
		x.containers[id] = known
	}
	return known, known.unreadable
}

func (e *Examiner) askEngine(ctx context.Context, id string) ownerContainer {
	c, err := e.Client.Inspect(ctx, id)
	switch {
	case errors.Is(err, ErrGone):
		// It need not have been a container of this Engine: an owner can run in
		// Podman beside Docker, around a Docker in Docker, or on another host.
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.met[id] {
			return ownerContainer{status: sandbox.ContainerGone}
		}
		return ownerContainer{}
	case err != nil:
		return ownerContainer{unreadable: true}
	case !strings.HasPrefix(c.ID, id):
		return ownerContainer{} // one of that name
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.met == nil || len(e.met) >= maxRemembered {
		e.met = map[string]bool{}
	}
	e.met[id] = true
	switch c.State.Status {
	case sandbox.StateRunning, sandbox.StatePaused, sandbox.StateRestarting:
		return ownerContainer{status: sandbox.ContainerRunning}
	case sandbox.StateExited, sandbox.StateDead:
		return ownerContainer{status: sandbox.ContainerGone}
	}
	// It has yet to start, or is being removed.
	return ownerContainer{}
}

// imageClaim returns what the labels of an image say, which never changes.
func (e *Examiner) imageClaim(ctx context.Context, id string) (sandbox.Claim, error) {
	if id == "" {
		return sandbox.Claim{}, nil
	}
	e.mu.Lock()
	claim, ok := e.images[id]
	e.mu.Unlock()
	if ok {
		return claim, nil
	}
	claim, err := e.Client.ImageClaim(ctx, id)
	if err != nil {
		return sandbox.Claim{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.images == nil || len(e.images) >= maxRemembered {
		e.images = map[string]sandbox.Claim{}
	}
	e.images[id] = claim
	return claim, nil
}
