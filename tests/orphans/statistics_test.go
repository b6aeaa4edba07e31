package orphans

import (
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
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
	small := container.Resources{Memory: 32 << 20, MemorySwap: 32 << 20}
	for range 2 {
		engine.RunWith(t, image, labels, container.HostConfig{Resources: small, AutoRemove: true}, "eat", "256")
		engine.RunWith(t, image, labels, container.HostConfig{Resources: small}, "eat", "256")
	}

	kinds := []string{semconv.ExitOK, semconv.ExitError, semconv.ExitKilled, semconv.ExitOOMKilled}
	exits := func() map[string]float64 {
		got := map[string]float64{}
		for _, kind := range kinds {
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
	require.Eventually(t, func() bool { return sum(exits()) >= 8 }, time.Minute, 50*time.Millisecond)
	w.waitForScans(t, 2)
	// An Engine 20.10 loses the word of some OOM kills, and nobody can then tell
	// them from others.
	ooms := float64(oomKills(t, engine))
	assert.GreaterOrEqual(t, ooms, 1.0)
	assert.Equal(t, map[string]float64{semconv.ExitOK: 2, semconv.ExitError: 1, semconv.ExitKilled: 5 - ooms, semconv.ExitOOMKilled: ooms}, exits())
	n, seconds := w.lifetimes("brief")
	assert.Equal(t, uint64(8), n)
	assert.Positive(t, seconds)
	assert.Less(t, seconds, 60.0)
}

// oomKills is how many containers the Engine has said to have been OOM killed.
func oomKills(t *testing.T, e *dockertest.Engine) int {
	t.Helper()
	said, ended := e.API.Events(t.Context(), events.ListOptions{
		Since: "1", Until: strconv.FormatInt(time.Now().Unix(), 10), Filters: filters.NewArgs(filters.Arg("event", string(events.ActionOOM))),
	})
	killed := map[string]bool{}
	for {
		select {
		case m := <-said:
			killed[m.Actor.ID] = true
		case err := <-ended:
			require.ErrorIs(t, err, io.EOF)
			return len(killed)
		}
	}
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
				w.sum(semconv.SandboxMemoryUsageMax, semconv.AttrRunID, "busy") > 16<<20 &&
				w.sum(semconv.ContainerMemoryUsage, semconv.AttrContainerID, idle) > 0
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
