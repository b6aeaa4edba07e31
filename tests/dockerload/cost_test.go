// Package dockerload measures what it costs to watch sandboxes: the CPU time of
// the watcher and of the Docker Engine that it asks, against the peer that
// anybody would otherwise use (contrib's dockerstatsreceiver), and the memory
// that the watcher keeps while sandboxes come and go.
//
// As a test it is a small check. `make bench-docker` builds the peer and runs it
// in earnest: 300 sandboxes, a minute for each. Environment variables change
// that:
//
//	EVOTEL_DOCKERLOAD_SANDBOXES  how many sandboxes run (10)
//	EVOTEL_DOCKERLOAD_PERIOD     how long each is measured (10s)
//	EVOTEL_DOCKERLOAD_PEER       the peer's binary (no peer)
//	EVOTEL_DOCKERLOAD_SOAK       how long sandboxes come and go (no soak)
//	EVOTEL_DOCKERLOAD_RATE       how many a second (5)
package dockerload

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

// interval is the time between two scans.
const interval = 5 * time.Second

// What is promised.
const (
	timesCheaper = 20
	scanTime     = 100 * time.Millisecond
)

// spent is CPU time.
type spent struct{ watcher, dockerd, containerd, shims time.Duration }

func (s spent) minus(o spent) spent {
	return spent{s.watcher - o.watcher, s.dockerd - o.dockerd, s.containerd - o.containerd, s.shims - o.shims}
}

// total leaves out the shims, of which each container has one: they count
// against the peer only.
func (s spent) total() time.Duration { return s.watcher + s.dockerd + s.containerd }

func TestCost(t *testing.T) {
	engine := dockertest.Start(t)
	engine.Own(t)
	sandboxes, period := number(t, "EVOTEL_DOCKERLOAD_SANDBOXES", 10), duration(t, "EVOTEL_DOCKERLOAD_PERIOD", 10*time.Second)
	engine.RunMany(t, engine.Image(t), sandboxes, sandbox.Labels("load"))

	measure := func(watcher *process) spent {
		before := sample(t, engine, watcher)
		time.Sleep(period) // that long, not until something happens
		return sample(t, engine, watcher).minus(before)
	}
	idle := measure(nil)

	ours := startProcess(t, ourCollector(t), configuration("dockerorphan", engine.Endpoint, `
    timeout: 2s`))
	ours.waitFor(t, "Scanned the sandboxes.", 2)
	cost := measure(ours).minus(idle)
	scans := ours.scans(t)
	ours.stop(t)

	table := costs{period: period}
	table.add("idle", idle)
	table.add("dockerorphan, idle subtracted", cost)
	if binary := os.Getenv("EVOTEL_DOCKERLOAD_PEER"); binary != "" {
		peer := startProcess(t, binary, configuration("docker_stats", engine.Endpoint, `
    timeout: 20s
    api_version: "1.41"`))
		peer.waitFor(t, `"data points": [1-9]`, 2)
		theirs := measure(peer).minus(idle)
		peer.stop(t)
		table.add("docker_stats, idle subtracted", theirs)
		ratio := float64(theirs.total()) / float64(max(cost.total(), 10*time.Millisecond))
		t.Logf("docker_stats costs %.0f times as much", ratio)
		if sandboxes >= 100 { // with few, both cost next to nothing
			assert.GreaterOrEqual(t, ratio, float64(timesCheaper))
		}
	} else {
		t.Log("SKIPPED: no peer to compare with; `make bench-docker` builds it")
	}
	median := scans[len(scans)/2]
	t.Logf("%d sandboxes, a scan every %v: CPU seconds a minute\n%s\na scan takes %v (median), %v at most",
		sandboxes, interval, &table, median, scans[len(scans)-1])
	assert.Less(t, median, scanTime)
}

// costs is the table.
type costs struct {
	strings.Builder
	period time.Duration
}

func (c *costs) add(name string, s spent) {
	if c.Len() == 0 {
		c.WriteString("                                watcher  dockerd  containerd    total    shims\n")
	}
	_, _ = fmt.Fprintf(c, "%-30s", name)
	for _, d := range []time.Duration{s.watcher, s.dockerd, s.containerd, s.total(), s.shims} {
		_, _ = fmt.Fprintf(c, "%9.2f", d.Seconds()*float64(time.Minute)/float64(c.period))
	}
	c.WriteByte('\n')
}

// sample reads what has been spent until now.
func sample(t *testing.T, engine *dockertest.Engine, watcher *process) spent {
	t.Helper()
	pids := engine.Processes(t)
	require.Len(t, pids, 2, "dockerd and containerd")
	s := spent{dockerd: cpuTime(t, pids[0]), containerd: cpuTime(t, pids[1])}
	for _, pid := range engine.Shims(t) {
		s.shims += cpuTime(t, pid)
	}
	if watcher != nil {
		s.watcher = cpuTime(t, watcher.cmd.Process.Pid)
	}
	return s
}

// cpuTime is what a process has used, user and system, in steps of 10 ms.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	require.NoError(t, err)
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	require.NoError(t, errUser)
	require.NoError(t, errSystem)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// configuration is that of a Collector with one receiver, which says nothing but
// how many points there are.
func configuration(receiver, endpoint, more string) string {
	return fmt.Sprintf(`
receivers:
  %s:
    endpoint: %s
    collection_interval: %v%s
exporters:
  debug:
service:
  telemetry:
    logs:
      level: debug
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [%[1]s]
      exporters: [debug]
`, receiver, endpoint, interval, more)
}

func ourCollector(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv("EVOTELCOL"); binary != "" {
		return binary
	}
	_, file, _, _ := runtime.Caller(0)
	binary := filepath.Join(filepath.Dir(file), "..", "..", "bin", "evotelcol")
	require.FileExists(t, binary, "run `make build` first")
	return binary
}

// process is a Collector.
type process struct {
	cmd *exec.Cmd
	log string
}

func startProcess(t *testing.T, binary, configuration string) *process {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(configuration), 0o600))
	p := &process{log: filepath.Join(dir, "log")}
	log, err := os.Create(p.log)
	require.NoError(t, err)
	defer func() { assert.NoError(t, log.Close()) }()
	p.cmd = exec.Command(binary, "--config", "file:"+config)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
}

// waitFor waits until the log has that many lines like this.
func (p *process) waitFor(t *testing.T, line string, n int) {
	t.Helper()
	pattern := regexp.MustCompile(line)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		b, err := os.ReadFile(p.log)
		require.NoError(t, err)
		if len(pattern.FindAll(b, -1)) >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %d lines like %q in\n%s", n, line, b[max(0, len(b)-3000):])
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// scans returns how long each took, in order of length.
func (p *process) scans(t *testing.T) []time.Duration {
	t.Helper()
	b, err := os.ReadFile(p.log)
	require.NoError(t, err)
	var all []time.Duration
	for _, m := range regexp.MustCompile(`Scanned the sandboxes.*"took": "?([0-9.]+)`).FindAllSubmatch(b, -1) {
		seconds, err := strconv.ParseFloat(string(m[1]), 64)
		require.NoError(t, err)
		all = append(all, time.Duration(seconds*float64(time.Second)))
	}
	require.NotEmpty(t, all)
	slices.Sort(all)
	return all
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	require.NoError(t, err, variable)
	return n
}

func duration(t *testing.T, variable string, otherwise time.Duration) time.Duration {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		return otherwise
	}
	d, err := time.ParseDuration(value)
	require.NoError(t, err, variable)
	return d
}
