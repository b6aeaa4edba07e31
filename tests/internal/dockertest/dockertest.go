// Package dockertest gives tests a real Docker Engine.
package dockertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// Engine is a Docker Engine for one test.
type Engine struct {
	// Endpoint is what DOCKER_HOST would be.
	Endpoint string
	// API is connected to it.
	API *client.Client

	daemon *daemon // nil unless private
}

// Start returns an Engine. As root on Linux it is a private one, which ends
// with the test; else it is the one that DOCKER_HOST or the default socket
// reaches. Where there is neither, the test is skipped, and fails under CI.
func Start(t testing.TB) *Engine {
	t.Helper()
	if dockerd, err := exec.LookPath("dockerd"); err == nil && runtime.GOOS == "linux" && os.Geteuid() == 0 {
		return startPrivate(t, dockerd)
	}
	e, err := connect(t, "")
	if err != nil {
		const how = "this test needs a Docker Engine: install one (Debian: apt-get install docker.io) and run as root, or set DOCKER_HOST"
		if os.Getenv("CI") != "" {
			t.Fatalf("%s: %v", how, err)
		}
		t.Skipf("SKIPPED: %s: %v", how, err)
	}
	return e
}

func connect(t testing.TB, endpoint string) (*Engine, error) {
	t.Helper()
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if endpoint != "" {
		opts = append(opts, client.WithHost(endpoint))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = api.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := api.Ping(ctx); err != nil {
		return nil, err
	}
	return &Engine{Endpoint: api.DaemonHost(), API: api}, nil
}

func startPrivate(t testing.TB, dockerd string) *Engine {
	t.Helper()
	// The path of a socket must be short, and a test's own folder need not be.
	dir, err := os.MkdirTemp("", "evotel-docker-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the Engine's files: %v", err)
		}
	})
	d := &daemon{path: dockerd, dir: dir, endpoint: "unix://" + filepath.Join(dir, "d.sock")}
	t.Cleanup(func() { d.stop(t) })
	d.start(t)
	e, err := connect(t, d.endpoint)
	if err != nil {
		t.Fatalf("connecting to the private Docker Engine: %v", err)
	}
	e.daemon = d
	t.Cleanup(func() { removeAll(t, e) })
	return e
}

// removeAll leaves a private Engine without containers, which would outlive it.
func removeAll(t testing.TB, e *Engine) {
	t.Helper()
	ctx := context.Background()
	list, err := e.API.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		t.Errorf("listing what the test left: %v", err)
	}
	for _, c := range list {
		_ = e.API.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}
}

// Run starts a sleeper with the labels and an anonymous volume, and returns
// its id. It ends with the test.
func (e *Engine) Run(t testing.TB, imageName string, labels map[string]string) string {
	t.Helper()
	return e.RunWith(t, imageName, labels, container.HostConfig{})
}

// RunMany runs n sleepers with the same labels, and starts a few at a time.
func (e *Engine) RunMany(t testing.TB, imageName string, n int, labels map[string]string) []string {
	t.Helper()
	ids := make([]string, n)
	slots := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ids[i] = e.Run(t, imageName, labels)
		})
	}
	wg.Wait()
	return ids
}

// RunWith is Run with limits and with arguments for the sleeper.
func (e *Engine) RunWith(t testing.TB, imageName string, labels map[string]string, host container.HostConfig, args ...string) string {
	t.Helper()
	ctx := context.Background()
	host.NetworkMode = "none"
	c, err := e.API.ContainerCreate(ctx, &container.Config{
		Image: imageName, Cmd: append([]string{"/sleeper"}, args...), Labels: labels, Volumes: map[string]struct{}{"/scratch": {}},
	}, &host, &network.NetworkingConfig{}, nil, "")
	if err != nil {
		t.Fatalf("creating a container: %v", err)
	}
	t.Cleanup(func() {
		_ = e.API.ContainerRemove(context.Background(), c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	if err := e.API.ContainerStart(ctx, c.ID, container.StartOptions{}); err != nil {
		t.Fatalf("starting a container: %v", err)
	}
	return c.ID
}
