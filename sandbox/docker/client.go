// Package docker finds, judges and removes sandbox containers on a Docker
// Engine. It is what the Docker orphan receiver and the evotel command share.
package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/evotel/evotel/sandbox"
)

// Errors that callers decide by.
var (
	// ErrGone: the container does not exist, or not any more.
	ErrGone = errors.New("no such container")
	// ErrInProgress: somebody else is already removing the container.
	ErrInProgress = errors.New("removal is already in progress")
	// ErrRunning: the container runs, and was only to be removed if it does not.
	ErrRunning = errors.New("the container is running")
)

// Client talks to one Docker Engine, whatever its API version (1.24 on). All
// calls return when ctx ends. It is safe for use by many goroutines.
type Client struct {
	connection
}

// Container is a sandbox, as the Engine describes it.
type Container struct {
	ID    string
	Name  string
	Image string
	// ImageID identifies the image whatever its name.
	ImageID string
	Claim   sandbox.Claim
	State   sandbox.State
	// Network is whose network interfaces it uses.
	Network Network
	// The rest is known from Inspect only.

	// Started is when it last started; zero if never.
	Started time.Time
	// ExitCode and OOMKilled describe the last exit.
	ExitCode  int
	OOMKilled bool
	// PID is its first process on the Engine's host; 0 unless running.
	PID int
}

// Network is whose network interfaces a container uses.
type Network int

// Whose interfaces a container can use.
const (
	// NetworkOwn: its own, or those of another container.
	NetworkOwn Network = iota
	// NetworkNone but the loopback.
	NetworkNone
	// NetworkHost: all that the host has.
	NetworkHost
)

func networkOf(mode container.NetworkMode) Network {
	switch {
	case mode.IsHost():
		return NetworkHost
	case mode.IsNone():
		return NetworkNone
	}
	return NetworkOwn
}

// List returns all containers that carry the selector label, in any state.
func (c *Client) List(ctx context.Context) ([]Container, error) {
	api, err := c.engine(ctx)
	if err != nil {
		return nil, err
	}
	list, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: selector()})
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
			ID: s.ID, Name: name, Image: s.Image, ImageID: s.ImageID,
			Claim:   sandbox.ParseClaim(s.Labels),
			State:   sandbox.State{Status: s.State, Created: time.Unix(s.Created, 0)},
			Network: networkOf(container.NetworkMode(s.HostConfig.NetworkMode)),
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
	api, err := c.engine(ctx)
	if err != nil {
		return Container{}, err
	}
	s, err := api.ContainerInspect(ctx, id)
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
		ID: s.ID, Name: strings.TrimPrefix(s.Name, "/"), ImageID: s.Image,
		State: sandbox.State{
			Status:   s.State.Status,
			Created:  parseTime(s.Created),
			Finished: parseTime(s.State.FinishedAt),
		},
		Started:  parseTime(s.State.StartedAt),
		ExitCode: s.State.ExitCode, OOMKilled: s.State.OOMKilled, PID: s.State.Pid,
	}
	if s.HostConfig != nil {
		found.Network = networkOf(s.HostConfig.NetworkMode)
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

// ImageClaim returns what the labels of an image say, which a container gets
// with it; nothing for an image that is not there any more.
func (c *Client) ImageClaim(ctx context.Context, id string) (sandbox.Claim, error) {
	api, err := c.engine(ctx)
	if err != nil {
		return sandbox.Claim{}, err
	}
	i, err := api.ImageInspect(ctx, id)
	switch {
	case cerrdefs.IsNotFound(err):
		return sandbox.Claim{}, nil
	case err != nil:
		return sandbox.Claim{}, fmt.Errorf("inspecting image %s: %w", id, err)
	case i.Config == nil:
		return sandbox.Claim{}, nil
	}
	return sandbox.ParseClaim(i.Config.Labels), nil
}

// Remove kills a container, if need be, and removes it and its anonymous
// volumes. It returns ErrGone or ErrInProgress if somebody else did or does.
func (c *Client) Remove(ctx context.Context, id string) error { return c.remove(ctx, id, true) }

// RemoveStopped removes a container and its anonymous volumes if it does not
// run, and returns ErrRunning if it does, also if it was started this moment.
func (c *Client) RemoveStopped(ctx context.Context, id string) error {
	return c.remove(ctx, id, false)
}

func (c *Client) remove(ctx context.Context, id string, kill bool) error {
	api, err := c.engine(ctx)
	if err != nil {
		return err
	}
	err = api.ContainerRemove(ctx, id, container.RemoveOptions{Force: kill, RemoveVolumes: true})
	switch {
	case err == nil:
		return nil
	case cerrdefs.IsNotFound(err):
		err = ErrGone
	case strings.Contains(err.Error(), "already in progress"):
		err = ErrInProgress
	case !kill && cerrdefs.IsConflict(err):
		err = ErrRunning
	}
	return fmt.Errorf("removing container %s: %w", Short(id), err)
}

// Short is a container id as people see it.
func Short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
