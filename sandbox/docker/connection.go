package docker

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/docker/docker/client"
)

// pingTimeout bounds the question for the Engine's API version, which callers
// with more time than others must not hold up.
const pingTimeout = 2 * time.Second

// connection agrees with the Engine on an API version before its first use, and
// again after the Engine was lost: another version may have come back. (Docker's
// own client agrees once, and while it does lets all callers wait, whatever
// their context says.)
type connection struct {
	opts     []client.Opt
	endpoint string
	turn     chan struct{}  // holds one token; who takes it may change api
	api      *client.Client // nil until agreed
}

// Dial prepares a client; it does not connect yet. An empty endpoint means
// DOCKER_HOST, or else the default socket.
func Dial(endpoint string) (*Client, error) {
	opts := []client.Opt{client.FromEnv}
	if endpoint != "" {
		opts = append(opts, client.WithHost(endpoint))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		if endpoint == "" {
			endpoint = "DOCKER_HOST=" + os.Getenv(client.EnvOverrideHost)
		}
		return nil, fmt.Errorf("preparing a Docker client for %q, expected something like unix:///var/run/docker.sock or tcp://host:2375: %w", endpoint, err)
	}
	c := &Client{connection{opts: opts, endpoint: api.DaemonHost(), turn: make(chan struct{}, 1)}}
	c.turn <- struct{}{}
	return c, api.Close()
}

// Endpoint is where the Engine is.
func (c *connection) Endpoint() string { return c.endpoint }

// engine returns an API client that speaks the Engine's version.
func (c *connection) engine(ctx context.Context) (*client.Client, error) {
	select {
	case <-c.turn:
		defer func() { c.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the Docker Engine at %s: %w", c.endpoint, ctx.Err())
	}
	if c.api != nil {
		return c.api, nil
	}
	api, err := client.NewClientWithOpts(c.opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing a Docker client for %q: %w", c.endpoint, err)
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	ping, err := api.Ping(ctx)
	if err != nil {
		_ = api.Close()
		return nil, fmt.Errorf("connecting to the Docker Engine at %s: %w", c.endpoint, err)
	}
	api.NegotiateAPIVersionPing(ping)
	c.api = api
	return api, nil
}

// Reset lets the next call agree with the Engine anew. Calls under way go on.
func (c *connection) Reset() {
	select {
	case <-c.turn:
		_ = c.drop()
		c.turn <- struct{}{}
	default: // somebody is just agreeing
	}
}

// Close frees idle connections.
func (c *connection) Close() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	return c.drop()
}

// drop is for who has the turn.
func (c *connection) drop() error {
	if c.api == nil {
		return nil
	}
	err := c.api.Close()
	c.api = nil
	return err
}
