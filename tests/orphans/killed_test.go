package orphans

import (
	"bufio"
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver"
	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/semconv"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

// TestKilledLoopsLeaveNothing kills 25 loops at random points, each with 3 to 5
// sandboxes in flight, beside 20 live and 20 unlabelled containers. With
// EVOTEL_ORPHANS_FULL=1 it kills 100 beside 200 and 200, which takes about five
// minutes.
func TestKilledLoopsLeaveNothing(t *testing.T) {
	kills, beside := 25, 20
	if os.Getenv("EVOTEL_ORPHANS_FULL") != "" {
		kills, beside = 100, 200
	}
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)

	kept := slices.Concat(
		engine.RunMany(t, image, beside, sandbox.Labels("alive")),
		engine.RunMany(t, image, beside, nil),
	)
	before := inspect(t, engine, kept)
	w := start(t, engine.Endpoint, patient, func(c *dockerorphanreceiver.Config) { c.Cleanup.MaxPerScan = 100 })

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range kills {
		killLoop(t, engine.Endpoint, image, random)
	}
	took := becomes(t, engine, kept)
	t.Logf("the last sandboxes were gone %.1f s after the last kill", took.Seconds())
	assert.Equal(t, len(kept), volumes(t, engine), "anonymous volumes")
	assert.Equal(t, before, inspect(t, engine, kept), "those beside are untouched")

	// The last removals are counted by the time of the next scan.
	w.waitForScans(t, 2)
	reaps := func(result string) float64 {
		return w.sum(semconv.SandboxReaps, semconv.AttrRunID, "killed", semconv.AttrSandboxReason, semconv.ReasonOwnerGone, semconv.AttrSandboxReapResult, result)
	}
	t.Logf("%v removed, %v gone by another hand", reaps(semconv.ReapRemoved), reaps(semconv.ReapGone))
	assert.GreaterOrEqual(t, reaps(semconv.ReapRemoved), float64(kills))
	assert.Zero(t, reaps(semconv.ReapFailed))
	assert.Zero(t, w.sum(semconv.SandboxReaps, semconv.AttrRunID, "alive"))
	assert.Equal(t, float64(beside), w.sum(semconv.SandboxContainers, semconv.AttrRunID, "alive",
		semconv.AttrSandboxState, sandbox.StateRunning, semconv.AttrSandboxVerdict, semconv.VerdictLive))
	assert.Zero(t, w.sum(semconv.SandboxOrphans))
}

// patient gives the Engine time, where a failure is to mean one: it is slow on a
// machine that is busy with other tests.
func patient(c *dockerorphanreceiver.Config) { c.Timeout = 20 * time.Second }

// killLoop starts a loop and kills it at some point of its first iterations.
func killLoop(t *testing.T, endpoint, image string, random *rand.Rand) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), loopVariable+"="+endpoint+" "+image+" "+strconv.FormatUint(random.Uint64(), 10))
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	said := bufio.NewScanner(out)
	// Most kills fall into the first iteration, some into the second or third.
	for range 1 + int(random.ExpFloat64()/2) {
		said.Scan()
	}
	require.NoError(t, said.Err())
	time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
	require.NoError(t, command.Process.Kill(), "the loop has ended by itself")
	_ = command.Wait()
}

// life is what changes when a container is stopped or restarted.
type life struct {
	Status, Started string
	PID             int
}

func inspect(t *testing.T, e *dockertest.Engine, ids []string) map[string]life {
	t.Helper()
	all := map[string]life{}
	for _, id := range ids {
		c, err := e.API.ContainerInspect(context.Background(), id)
		require.NoError(t, err)
		all[id] = life{c.State.Status, c.State.StartedAt, c.State.Pid}
	}
	return all
}

// owner starts a process that owns sandboxes; kill ends it.
func owner(t *testing.T) (pid int, kill func()) {
	t.Helper()
	command := exec.Command("sleep", "600")
	require.NoError(t, command.Start())
	kill = func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	t.Cleanup(kill)
	return command.Process.Pid, kill
}

func TestOrphansInAnyStateGoAndDoubtfulOnesStay(t *testing.T) {
	t.Parallel()
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	pid, kill := owner(t)
	doomed := sandbox.Labels("killed", sandbox.WithOwner(pid))
	but := func(changes ...string) map[string]string {
		labels := maps.Clone(doomed)
		for i := 0; i < len(changes); i += 2 {
			labels[changes[i]] = changes[i+1]
			if changes[i+1] == "" {
				delete(labels, changes[i])
			}
		}
		return labels
	}
	run := func(labels map[string]string) string { return engine.Run(t, image, labels) }

	paused := run(doomed)
	require.NoError(t, engine.API.ContainerPause(t.Context(), paused))
	stopped := run(doomed)
	require.NoError(t, engine.API.ContainerStop(t.Context(), stopped, container.StopOptions{}))
	created, err := engine.API.ContainerCreate(t.Context(), &container.Config{Image: image, Cmd: []string{"/sleeper"}, Labels: doomed}, nil, nil, nil, "")
	require.NoError(t, err)
	orphans := []string{
		run(doomed), paused, stopped, created.ID,
		engine.RunWith(t, image, doomed, container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways}}, "exit", "1"),
	}
	// A sandbox is committed, and somebody looks into the image.
	snapshot, err := engine.API.ContainerCommit(t.Context(), orphans[0], container.CommitOptions{})
	require.NoError(t, err)
	kept := []string{
		engine.Run(t, snapshot.ID, nil),
		run(nil),
		run(sandbox.Labels("alive")),
		run(map[string]string{sandbox.LabelSandbox: sandbox.SelectorValue}),
		run(but(sandbox.LabelSandbox, "")),
		run(but(sandbox.LabelOwnerMachine, "ffffffffffffffffffffffffffffffff")),
		run(but(sandbox.LabelOwnerBoot, "a-boot-of-a-twin")),
		run(but(sandbox.LabelOwnerPIDNS, "")),
		run(but(sandbox.LabelOwnerPIDNS, "4026531836")),
		run(but(sandbox.LabelOwnerPID, "99999999999999999999")),
		run(but(sandbox.LabelOwnerPID, strconv.Itoa(os.Getpid()), sandbox.LabelOwnerStart, "99999999999999999999")),
		run(but(sandbox.LabelOwnerPID, "", sandbox.LabelOwnerContainer, "0123456789abcdef")),
		run(but(sandbox.LabelDeadline, "yesterday", sandbox.LabelOwnerPID, "1", sandbox.LabelOwnerStart, "")),
	}
	before := inspect(t, engine, kept)

	w := start(t, engine.Endpoint)
	w.waitForScans(t, 4)
	assert.ElementsMatch(t, slices.Concat(orphans, kept), containers(t, engine), "while the owner lives")
	kill()
	becomes(t, engine, kept)
	w.waitForScans(t, 4)
	assert.Equal(t, before, inspect(t, engine, kept))
	assert.Equal(t, 10.0, w.sum(semconv.SandboxUnverifiable))
	assert.Equal(t, 1.0, w.sum(semconv.SandboxUnverifiable, semconv.AttrSandboxReason, semconv.ReasonLabelsInherited))

	// The owner's word counts even while it lives.
	late := engine.Run(t, image, sandbox.Labels("alive", sandbox.WithDeadline(time.Unix(0, 0))))
	require.Contains(t, containers(t, engine), late)
	becomes(t, engine, kept)
}

func TestSandboxesOfLoopsInContainers(t *testing.T) {
	t.Parallel()
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	loops := engine.RunMany(t, image, 3, nil)
	removed, restarted, alive := loops[0], loops[1], loops[2]
	// What a loop in a container writes.
	labels := func(id string) map[string]string {
		c, err := engine.API.ContainerInspect(t.Context(), id)
		require.NoError(t, err)
		labels := sandbox.Labels("contained", sandbox.WithOwner(c.State.Pid))
		labels[sandbox.LabelOwnerPID] = "1"
		labels[sandbox.LabelOwnerPIDNS] = sandbox.DefaultProc.PIDNamespaceOf(c.State.Pid)
		labels[sandbox.LabelOwnerMachine] = "boot-" + labels[sandbox.LabelOwnerBoot]
		require.Equal(t, id, labels[sandbox.LabelOwnerContainer])
		return labels
	}
	byHand := func(id string) map[string]string {
		return map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "contained", sandbox.LabelOwnerContainer: id[:12]}
	}
	kept := []string{alive, restarted, engine.Run(t, image, labels(alive)), engine.Run(t, image, byHand(alive)), engine.Run(t, image, byHand(restarted))}
	for _, id := range []string{removed, restarted} {
		engine.Run(t, image, labels(id))
	}
	engine.Run(t, image, byHand(removed))
	w := start(t, engine.Endpoint)
	w.waitForScans(t, 4)
	require.Len(t, containers(t, engine), 9)
	assert.Equal(t, 3.0, w.sum(semconv.SandboxContainers, semconv.AttrSandboxVerdict, semconv.VerdictLive))

	require.NoError(t, engine.API.ContainerRemove(t.Context(), removed, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	require.NoError(t, engine.API.ContainerRestart(t.Context(), restarted, container.StopOptions{}))
	becomes(t, engine, kept)
	assert.Equal(t, len(kept), volumes(t, engine))
}

func TestTwoReceiversDoNotFight(t *testing.T) {
	t.Parallel()
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	pid, kill := owner(t)
	const n = 12
	engine.RunMany(t, image, n, sandbox.Labels("killed", sandbox.WithOwner(pid)))
	kept := []string{engine.Run(t, image, sandbox.Labels("alive"))}
	both := []*watch{start(t, engine.Endpoint, patient), start(t, engine.Endpoint, patient)}
	for _, w := range both {
		w.waitForScans(t, 2)
	}
	kill()
	becomes(t, engine, kept)
	sum := map[string]float64{}
	for _, w := range both {
		w.waitForScans(t, 3)
		for _, result := range []string{semconv.ReapRemoved, semconv.ReapGone, semconv.ReapFailed} {
			sum[result] += w.sum(semconv.SandboxReaps, semconv.AttrRunID, "killed", semconv.AttrSandboxReapResult, result)
		}
	}
	t.Logf("between them: %v", sum)
	assert.Equal(t, float64(n), sum[semconv.ReapRemoved], "each was removed by one of them")
	assert.Zero(t, sum[semconv.ReapFailed])
}
