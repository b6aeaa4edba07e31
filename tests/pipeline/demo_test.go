package pipeline_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docker/docker/api/types/image"

	"github.com/evotel/evotel/tests/internal/dockertest"
)

// output of a process, to be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func demo(t *testing.T, temporary string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	command := exec.Command(filepath.Join(bin(t), "evotel"), append([]string{"demo"}, args...)...)
	command.Env = append(os.Environ(), "TMPDIR="+temporary)
	said := &output{}
	command.Stdout, command.Stderr = said, said
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the demo said:\n%s", said)
		}
	})
	return command, said
}

func TestCtrlCLeavesNothingBehind(t *testing.T) {
	engine := dockertest.Start(t)
	temporary := t.TempDir()
	command, said := demo(t, temporary, "--fault", "orphans", "--port-offset", strconv.Itoa(freeOffset(t)))
	command.Env = append(command.Env, "DOCKER_HOST="+engine.Endpoint)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	p := &pipeline{engine: engine}
	require.Eventually(t, func() bool {
		return strings.Contains(said.String(), "orphan: 6")
	}, 90*time.Second, 200*time.Millisecond,
		"the summary shows orphans")
	self, err := process.NewProcess(int32(command.Process.Pid))
	require.NoError(t, err)
	children, err := self.Children()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(children), 4, "Collector, Prometheus, Alertmanager, loop")

	begin := time.Now()
	require.NoError(t, command.Process.Signal(syscall.SIGINT))
	require.NoError(t, command.Wait())
	t.Logf("stopped in %v", time.Since(begin))
	for _, child := range children {
		running, err := child.IsRunning()
		assert.True(t, err != nil || !running, "process %d runs on", child.Pid)
	}
	assert.Empty(t, p.containers(t))
	images, err := engine.API.ImageList(t.Context(), image.ListOptions{All: true})
	require.NoError(t, err)
	assert.Empty(t, images)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestATakenPortIsSaidOnce(t *testing.T) {
	offset := freeOffset(t)
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(9090+offset)))
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	temporary := t.TempDir()
	command, said := demo(t, temporary, "--port-offset", strconv.Itoa(offset))
	require.Error(t, command.Run())
	assert.Equal(t, 1, strings.Count(said.String(), taken.Addr().String()))
	assert.Contains(t, said.String(), "wanted for Prometheus")
	assert.Contains(t, said.String(), "--port-offset")
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestWithoutDockerCandidatesAreScoredInSubprocesses(t *testing.T) {
	command, said := demo(t, t.TempDir(), "--iterations", "5", "--port-offset", strconv.Itoa(freeOffset(t)))
	command.Env = append(command.Env, "DOCKER_HOST=unix:///nonexistent/docker.sock")
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "loop completed") }, time.Minute, 200*time.Millisecond)
	assert.Contains(t, said.String(), "No Docker Engine answers")
	assert.Contains(t, said.String(), "Candidates are scored in subprocesses")
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, command.Wait())
}
