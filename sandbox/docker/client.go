// Package docker finds, judges and removes sandbox containers on a Docker
// Engine. It is what the Docker orphan receiver and the evotel command share.
package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
)

// Errors that callers decide by.
var (
	// ErrGone: the container does not exist, or not any more.
	ErrGone = errors.New("no such container")
	// ErrInProgress: somebody else is already removing the container.
	ErrInProgress = errors.New("removal is already in progress")
)

// Client talks to one Docker Engine, whatever its API version (1.24 on). All
// calls return when ctx ends.
type Client struct {
	api *client.Client
}

// Dial prepares a client; it does not connect yet. An empty endpoint means
// DOCKER_HOST, or else the default socket.
func Dial(endpoint string) (*Client, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if endpoint != "" {
		opts = append(opts, client.WithHost(endpoint))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing a Docker client for %q: %w", endpoint, err)
	}
	return &Client{api: api}, nil
}

// Endpoint is where the Engine is.
func (c *Client) Endpoint() string { return c.api.DaemonHost() }

// Close frees idle connections.
func (c *Client) Close() error { return c.api.Close() }

// Container is a sandbox, as the Engine describes it.
type Container struct {
	ID    string
	Name  string
	Image string
	Claim sandbox.Claim
	State sandbox.State
	// The rest is known from Inspect only.

	// Started is when it last started; zero if never.
	Started time.Time
	// ExitCode and OOMKilled describe the last exit.
	ExitCode  int
	OOMKilled bool
	// PID is its first process on the Engine's host; 0 unless running.
	PID int
}

// List returns all containers that carry the selector label, in any state.
func (c *Client) List(ctx context.Context) ([]Container, error) {
	list, err := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: selector()})
	if err != nil {
		return nil, fmt.Errorf("listing sandbox containers: %w", err)
	}
	found := make([]Container, 0, len(list))
	for _, s := range list {
		name := ""
		if len(s.Names) > 0 {
			name = strings.TrimPrefix(s.Names[0], "/")
		}
		found = append(found, Container{
			ID: s.ID, Name: name, Image: s.Image,
			Claim: sandbox.ParseClaim(s.Labels),
			State: sandbox.State{Status: string(s.State), Created: time.Unix(s.Created, 0)},
		})
	}
	return found, nil
}

func selector() filters.Args {
	return filters.NewArgs(filters.Arg("label", sandbox.LabelSandbox+"="+sandbox.SelectorValue))
}

// Inspect returns all that the Engine knows of a container, sandbox or not. It
// returns ErrGone if there is none.
func (c *Client) Inspect(ctx context.Context, id string) (Container, error) {
	s, err := c.api.ContainerInspect(ctx, id)
	if err != nil {
		if cerrdefs.IsNotFound(err) {
			err = ErrGone
		}
		return Container{}, fmt.Errorf("inspecting container %s: %w", Short(id), err)
	}
	if s.ContainerJSONBase == nil || s.State == nil {
		return Container{}, fmt.Errorf("inspecting container %s: the answer says nothing of its state", Short(id))
	}
	found := Container{
		ID: s.ID, Name: strings.TrimPrefix(s.Name, "/"),
		State: sandbox.State{
			Status:   string(s.State.Status),
			Created:  parseTime(s.Created),
			Finished: parseTime(s.State.FinishedAt),
		},
		Started:  parseTime(s.State.StartedAt),
		ExitCode: s.State.ExitCode, OOMKilled: s.State.OOMKilled, PID: s.State.Pid,
	}
	if s.Config != nil {
		found.Image = s.Config.Image
		found.Claim = sandbox.ParseClaim(s.Config.Labels)
	}
	return found, nil
}

// parseTime understands the Engine's times. It says year 1 where there is none.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// Remove kills a container, if need be, and removes it and its anonymous
// volumes. It returns ErrGone or ErrInProgress if somebody else did or does.
func (c *Client) Remove(ctx context.Context, id string) error {
	err := c.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	switch {
	case err == nil:
		return nil
	case cerrdefs.IsNotFound(err):
		err = ErrGone
	case strings.Contains(err.Error(), "already in progress"):
		err = ErrInProgress
	}
	return fmt.Errorf("removing container %s: %w", Short(id), err)
}

// Event is something that happened to a sandbox.
type Event struct {
	// Action is one of the Event constants.
	Action string
	// ID is the container.
	ID string
	// Run is its run.
	Run string
	// Time is when it happened, by the Engine's clock.
	Time time.Time
	// ExitCode is set for EventDie.
	ExitCode int
}

// The events that are listened to.
const (
	EventStart   = string(events.ActionStart)
	EventDie     = string(events.ActionDie)
	EventOOM     = string(events.ActionOOM)
	EventDestroy = string(events.ActionDestroy)
)

// Watch calls handle for each event from since on (or from now, if zero) until
// ctx ends or the connection breaks, and returns why. The Engine only remembers
// some hundred events.
func (c *Client) Watch(ctx context.Context, since time.Time, handle func(Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := selector()
	f.Add("type", string(events.ContainerEventType))
	for _, action := range []string{EventStart, EventDie, EventOOM, EventDestroy} {
		f.Add("event", action)
	}
	opts := events.ListOptions{Filters: f}
	if !since.IsZero() {
		opts.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	messages, errs := c.api.Events(ctx, opts)
	for {
		select {
		case m := <-messages:
			e := Event{
				Action: string(m.Action), ID: m.Actor.ID,
				Run:  sandbox.ParseClaim(m.Actor.Attributes).Run,
				Time: time.Unix(0, m.TimeNano),
			}
			if e.Action == EventDie {
				code, err := strconv.Atoi(m.Actor.Attributes["exitCode"])
				if err != nil {
					code = -1
				}
				e.ExitCode = code
			}
			handle(e)
		case err := <-errs:
			if err == nil || ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("watching Docker events: %w", err)
		}
	}
}

// Stats asks the Engine for a container's resource use. It costs the Engine
// about a hundred times what reading cgroup files costs.
func (c *Client) Stats(ctx context.Context, id string) (cgroup.Usage, error) {
	answer, err := c.api.ContainerStatsOneShot(ctx, id)
	if err != nil {
		if cerrdefs.IsNotFound(err) {
			err = ErrGone
		}
		return cgroup.Usage{}, fmt.Errorf("reading the resource use of container %s: %w", Short(id), err)
	}
	defer func() { _ = answer.Body.Close() }()
	var s container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return cgroup.Usage{}, fmt.Errorf("reading the resource use of container %s: %w", Short(id), err)
	}
	return usageOf(&s), nil
}

func usageOf(s *container.StatsResponse) cgroup.Usage {
	u := cgroup.Usage{CPU: time.Duration(s.CPUStats.CPUUsage.TotalUsage)}
	inactive, ok := s.MemoryStats.Stats["total_inactive_file"] // cgroup v1
	if !ok {
		inactive = s.MemoryStats.Stats["inactive_file"]
	}
	u.Memory = cgroup.WorkingSet(s.MemoryStats.Usage, inactive)
	for _, n := range s.Networks {
		u.NetworkReceived += n.RxBytes
		u.NetworkSent += n.TxBytes
	}
	for _, e := range s.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			u.DiskRead += e.Value
		case "write":
			u.DiskWritten += e.Value
		}
	}
	return u
}

// Short is a container id as people see it.
func Short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
