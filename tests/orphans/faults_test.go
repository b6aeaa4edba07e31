package orphans

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver"
	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/semconv"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

// slack is what a scan may take beyond its interval and timeout on a machine
// that is busy with other tests.
const slack = 2 * time.Second

func TestTheReceiverGetsOverAnEngineThatIsAway(t *testing.T) {
	t.Parallel()
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	road := newProxy(t, strings.TrimPrefix(engine.Endpoint, "unix://"))
	const timeout = time.Second

	tests := []struct {
		name     string
		endpoint string
		lose     func()
		find     func()
		// restarted is whether all containers stop with the Engine.
		restarted bool
	}{
		{"paused", engine.Endpoint, func() { engine.Pause(t) }, func() { engine.Resume(t) }, false},
		{"behind a proxy that stops forwarding", road.endpoint, road.block, road.open, false},
		{"stopped", engine.Endpoint, func() { engine.Stop(t) }, func() { engine.Restart(t) }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pid, kill := owner(t)
			kept := []string{engine.Run(t, image, sandbox.Labels("alive"))}
			engine.RunMany(t, image, 3, sandbox.Labels("killed", sandbox.WithOwner(pid)))
			w := start(t, test.endpoint, func(c *dockerorphanreceiver.Config) {
				c.Timeout = timeout
				c.Cleanup.Grace = 2 * time.Second
			})
			w.waitForScans(t, 2)
			require.Equal(t, 1.0, w.sum(semconv.SandboxDockerUp))

			// The Engine is lost while three removals are pending.
			kill()
			require.Eventually(t, func() bool { return w.sum(semconv.SandboxOrphans) == 3 }, 30*time.Second, 20*time.Millisecond)
			test.lose()
			found := sync.OnceFunc(test.find)
			defer found()
			require.Eventually(t, func() bool { return w.sum(semconv.SandboxDockerUp) == 0 }, 30*time.Second, 20*time.Millisecond)
			w.waitForScans(t, 4)
			assert.Equal(t, 0.0, w.sum(semconv.SandboxDockerUp))
			assert.Equal(t, 3.0, w.sum(semconv.SandboxOrphans), "what was is repeated")
			assert.Less(t, w.longestSilence(), time.Second+timeout+slack, "no scan takes longer than its timeout")

			found()
			require.Eventually(t, func() bool { return w.sum(semconv.SandboxDockerUp) == 1 }, 30*time.Second, 20*time.Millisecond)
			becomes(t, engine, kept)
			w.waitForScans(t, 2)
			assert.Zero(t, w.sum(semconv.SandboxOrphans))
			if test.restarted {
				// It has stopped with the Engine, but still has an owner.
				assert.Equal(t, 1.0, w.sum(semconv.SandboxContainers, semconv.AttrRunID, "alive",
					semconv.AttrSandboxState, sandbox.StateExited, semconv.AttrSandboxVerdict, semconv.VerdictLive))
			}
		})
	}
}

// proxy forwards connections until it is told to stop, and then keeps them open
// without a word.
type proxy struct {
	endpoint string

	mu   sync.Mutex
	free *sync.Cond
	shut bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{endpoint: "tcp://" + listener.Addr().String()}
	p.free = sync.NewCond(&p.mu)
	var wg sync.WaitGroup
	var open sync.Map
	wg.Go(func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("unix", to)
			if err != nil {
				_ = here.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
				open.Store(way[0], true)
				wg.Go(func() {
					defer func() { _ = way[0].Close(); _ = way[1].Close(); open.Delete(way[0]) }()
					p.forward(way[0], way[1])
				})
			}
		}
	})
	t.Cleanup(func() {
		p.open()
		_ = listener.Close()
		open.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return p
}

func (p *proxy) forward(from io.Reader, to io.Writer) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.shut {
			p.free.Wait()
		}
		p.mu.Unlock()
		if _, errWrite := to.Write(buffer[:n]); err != nil || errWrite != nil {
			return
		}
	}
}

func (p *proxy) block() { p.set(true) }
func (p *proxy) open()  { p.set(false) }

func (p *proxy) set(shut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = shut
	p.free.Broadcast()
}

func TestASandboxThatRefusesToDieIsReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	pid, kill := owner(t)
	stubborn := engine.Run(t, image, sandbox.Labels("killed", sandbox.WithOwner(pid)))
	// Whoever kills a container asks the shim beside it, and that one is
	// stopped. The kernel would let nothing else survive a SIGKILL.
	c, err := engine.API.ContainerInspect(t.Context(), stubborn)
	require.NoError(t, err)
	shim := parentOf(t, c.State.Pid)
	wake := sync.OnceFunc(func() { assert.NoError(t, syscall.Kill(shim, syscall.SIGCONT)) })
	require.NoError(t, syscall.Kill(shim, syscall.SIGSTOP))
	defer wake()

	w := start(t, engine.Endpoint, func(c *dockerorphanreceiver.Config) { c.Cleanup.Timeout = time.Second })
	w.waitForScans(t, 2)
	kill()
	failed := func() float64 {
		return w.sum(semconv.SandboxReaps, semconv.AttrRunID, "killed", semconv.AttrSandboxReapResult, semconv.ReapFailed)
	}
	require.Eventually(t, func() bool { return failed() >= 1 }, time.Minute, 20*time.Millisecond)
	assert.Equal(t, 1.0, w.sum(semconv.SandboxOrphans))
	assert.Contains(t, containers(t, engine), stubborn)
	// A sandbox that is no trouble goes in the meantime.
	easy := engine.Run(t, image, sandbox.Labels("alive", sandbox.WithDeadline(time.Unix(0, 0))))
	require.Eventually(t, func() bool { return len(containers(t, engine)) == 1 }, time.Minute, 100*time.Millisecond)
	assert.NotContains(t, containers(t, engine), easy)

	wake()
	becomes(t, engine, []string{})
	assert.Zero(t, volumes(t, engine))
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "PPid:"); ok {
			parent, err := strconv.Atoi(strings.TrimSpace(rest))
			require.NoError(t, err)
			return parent
		}
	}
	t.Fatalf("process %d has no parent", pid)
	return 0
}
