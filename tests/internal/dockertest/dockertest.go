// Package dockertest gives tests a real Docker Engine.
package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// Engine is a Docker Engine for one test.
type Engine struct {
	// Endpoint is what DOCKER_HOST would be.
	Endpoint string
	// API is connected to it.
	API *client.Client
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
	endpoint := "unix://" + filepath.Join(dir, "d.sock")
	var log bytes.Buffer
	cmd := exec.Command(dockerd, "--bridge=none", "--iptables=false", "-H", endpoint,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting a private Docker Engine: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			<-ended
			t.Error("the private Docker Engine did not end in a minute")
		}
	})
	deadline := time.Now().Add(time.Minute)
	for {
		e, err := connect(t, endpoint)
		if err == nil {
			t.Cleanup(func() { removeAll(t, e) })
			return e
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the private Docker Engine ended: %v\n%s", err, log.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the private Docker Engine did not answer in a minute: %v", err)
		}
	}
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

// sleeper is what the containers run: a static binary that does nothing.
const sleeper = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}
`

// Image imports an image that holds nothing but /sleeper, which runs until
// told to stop, and returns its name.
func (e *Engine) Image(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "sleeper")
	if err := os.WriteFile(source, []byte(sleeper), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", binary, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the sleeper: %v\n%s", err, out)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	_, errWrite := func() (int, error) {
		if err := w.WriteHeader(&tar.Header{Name: "sleeper", Mode: 0o755, Size: int64(len(content))}); err != nil {
			return 0, err
		}
		return w.Write(content)
	}()
	if err := errors.Join(errWrite, w.Close()); err != nil {
		t.Fatal(err)
	}
	const name = "evotel-test-sleeper:latest"
	answer, err := e.API.ImageImport(context.Background(), image.ImportSource{Source: &archive, SourceName: "-"}, name, image.ImportOptions{})
	if err != nil {
		t.Fatalf("importing the sleeper: %v", err)
	}
	defer func() { _ = answer.Close() }()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		t.Fatalf("importing the sleeper: %v", err)
	}
	return name
}

// Run starts a sleeper with the labels and an anonymous volume, and returns
// its id. It ends with the test.
func (e *Engine) Run(t testing.TB, imageName string, labels map[string]string) string {
	t.Helper()
	ctx := context.Background()
	c, err := e.API.ContainerCreate(ctx, &container.Config{
		Image: imageName, Cmd: []string{"/sleeper"}, Labels: labels, Volumes: map[string]struct{}{"/scratch": {}},
	}, &container.HostConfig{NetworkMode: "none"}, &network.NetworkingConfig{}, nil, "")
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
