package docker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"

	"github.com/evotel/evotel/sandbox"
)

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
	api, err := c.engine(ctx)
	if err != nil {
		return err
	}
	f := selector()
	f.Add("type", string(events.ContainerEventType))
	for _, action := range []string{EventStart, EventDie, EventOOM, EventDestroy} {
		f.Add("event", action)
	}
	opts := events.ListOptions{Filters: f}
	if !since.IsZero() {
		opts.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	messages, errs := api.Events(ctx, opts)
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
