package orphans

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver"
	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
	"github.com/evotel/evotel/semconv"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

func TestExitsAreToldApartEvenOfSandboxesShorterThanAScan(t *testing.T) {
	t.Parallel()
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	w := start(t, engine.Endpoint, func(c *dockerorphanreceiver.Config) {
		c.CollectionInterval = 3 * time.Second
		c.Cleanup.Mode = dockerorphanreceiver.ModeOff
	})
	w.waitForScans(t, 1)

	labels := sandbox.Labels("brief")
	fleeting := container.HostConfig{AutoRemove: true}
	engine.RunWith(t, image, labels, fleeting, "exit", "0")
	engine.RunWith(t, image, labels, fleeting, "exit", "0")
	engine.RunWith(t, image, labels, fleeting, "exit", "3")
	killed := engine.RunWith(t, image, labels, fleeting)
	require.NoError(t, engine.API.ContainerKill(t.Context(), killed, "KILL"))
	small := fleeting
	small.Memory, small.MemorySwap = 32<<20, 32<<20
	engine.RunWith(t, image, labels, small, "eat", "256")
	stays := container.HostConfig{Resources: small.Resources}
	engine.RunWith(t, image, labels, stays, "eat", "256")

	want := map[string]float64{semconv.ExitOK: 2, semconv.ExitError: 1, semconv.ExitKilled: 1, semconv.ExitOOMKilled: 2}
	exits := func() map[string]float64 {
		got := map[string]float64{}
		for kind := range want {
			got[kind] = w.sum(semconv.SandboxExits, semconv.AttrRunID, "brief", semconv.AttrSandboxExit, kind)
		}
		return got
	}
	sum := func(m map[string]float64) (n float64) {
		for _, v := range m {
			n += v
		}
		return n
	}
	require.Eventually(t, func() bool { return sum(exits()) >= 6 }, time.Minute, 50*time.Millisecond)
	w.waitForScans(t, 2)
	assert.Equal(t, want, exits())
	n, seconds := w.lifetimes("brief")
	assert.Equal(t, uint64(6), n)
	assert.Positive(t, seconds)
	assert.Less(t, seconds, 60.0)
}

func TestUsageIsMeasured(t *testing.T) {
	t.Parallel()
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	perContainer := func(c *dockerorphanreceiver.Config) { c.PerContainer = true }
	byFiles := start(t, engine.Endpoint, perContainer)
	byEngine := start(t, engine.Endpoint, func(c *dockerorphanreceiver.Config) { c.HostCgroup, c.Timeout = "", 5*time.Second }, perContainer)
	labels := sandbox.Labels("busy")
	busy := engine.RunWith(t, image, labels, container.HostConfig{}, "work")
	idle := engine.Run(t, image, labels)

	// Both ways show what the sandboxes do: 0.3 s of CPU, and 16 MiB of memory
	// in one of them.
	for name, w := range map[string]*watch{"cgroup files": byFiles, "stats API": byEngine} {
		require.Eventually(t, func() bool {
			return w.sum(semconv.SandboxCPUTime, semconv.AttrRunID, "busy") > 0.2 &&
				w.sum(semconv.SandboxMemoryUsageMax, semconv.AttrRunID, "busy") > 16<<20
		}, time.Minute, 50*time.Millisecond, name)
		assert.Greater(t, w.sum(semconv.SandboxMemoryUsage, semconv.AttrRunID, "busy"), w.sum(semconv.SandboxMemoryUsageMax, semconv.AttrRunID, "busy"), name)
		assert.Equal(t, w.sum(semconv.SandboxMemoryUsageMax, semconv.AttrRunID, "busy"), w.sum(semconv.ContainerMemoryUsage, semconv.AttrContainerID, busy), name)
		assert.Greater(t, w.sum(semconv.ContainerCPUTime, semconv.AttrContainerID, busy), w.sum(semconv.ContainerCPUTime, semconv.AttrContainerID, idle), name)
	}

	// While they are paused, both ways give the very same figures.
	for _, id := range []string{busy, idle} {
		require.NoError(t, engine.API.ContainerPause(t.Context(), id))
	}
	client, err := docker.Dial(engine.Endpoint)
	require.NoError(t, err)
	defer func() { assert.NoError(t, client.Close()) }()
	reader := cgroup.NewReader("/sys/fs/cgroup", "/proc")
	for _, id := range []string{busy, idle} {
		c, err := client.Inspect(t.Context(), id)
		require.NoError(t, err)
		require.NoError(t, reader.Learn(id, c.PID))
		// Memory is returned late by the kernel's caches for each CPU.
		var files, api cgroup.Usage
		require.Eventually(t, func() bool {
			files, err = reader.Read(id, true)
			require.NoError(t, err)
			api, err = client.Stats(t.Context(), id)
			require.NoError(t, err)
			return files == api
		}, 30*time.Second, 100*time.Millisecond)
		t.Logf("%.12s: %+v", id, files)
		assert.Equal(t, files, api)
	}
	require.Eventually(t, func() bool {
		return byFiles.sum(semconv.SandboxMemoryUsage, semconv.AttrRunID, "busy") == byEngine.sum(semconv.SandboxMemoryUsage, semconv.AttrRunID, "busy")
	}, 30*time.Second, 50*time.Millisecond)
}
