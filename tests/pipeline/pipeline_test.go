// Package pipeline_test runs the whole pipeline as `evotel demo` does: the real
// Collector, Prometheus, Alertmanager and Docker Engine with the example loop, well
// and with each fault. What it asserts is what Prometheus answers.
package pipeline_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/prometheus/common/model"
	"github.com/shirou/gopsutil/v3/process"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/internal/stack"
	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

const (
	// promise is how soon after its condition an alert fires.
	promise = 10 * time.Second
	// grace lets the orphans be seen before they go.
	grace = 20 * time.Second
	// memoryLimit of Collector, Prometheus and Alertmanager together.
	memoryLimit = 200 << 20
	iterations  = 100
)

func bin(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../bin")
	require.NoError(t, err)
	return path
}

// pipeline is a running one with an Engine of its own.
type pipeline struct {
	*stack.Stack
	prometheus
	engine *dockertest.Engine
	began  time.Time
}

// soFar is how long the pipeline has been running.
func (p *pipeline) soFar() time.Duration { return time.Since(p.began) }

func start(t *testing.T) *pipeline {
	t.Helper()
	engine := dockertest.Start(t)
	s, err := stack.Start(t.Context(), stack.Options{
		Dir: t.TempDir(), BinDir: bin(t), PortOffset: freeOffset(t),
		CollectorEnv: []string{"DOCKER_HOST=" + engine.Endpoint, "EVOTEL_CLEANUP_GRACE=" + grace.String()},
		Progress:     func(line string) { t.Log(line) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	return &pipeline{s, newPrometheus(t, s.Prometheus), engine, time.Now()}
}

// freeOffset finds one at which nobody listens on any of the pipeline's ports.
func freeOffset(t *testing.T) int {
	t.Helper()
	for offset := 20_000; offset < 50_000; offset += 150 {
		free := true
		for _, port := range []int{4317, 4318, 8888, 8889, 13133, 9090, 9093, 9095} {
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+offset))
			if err != nil {
				free = false
				break
			}
			_ = listener.Close()
		}
		if free {
			return offset
		}
	}
	t.Fatal("there are no free ports")
	return 0
}

// loop starts the example loop with a run id. It is stopped at the test's end.
func (p *pipeline) loop(t *testing.T, run string, env []string, args ...string) *stack.Process {
	t.Helper()
	loop, err := stack.StartProcess("strategyloop", filepath.Join(bin(t), "strategyloop"),
		append([]string{"--run-id", run, "--docker-host", p.engine.Endpoint}, args...),
		append([]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + p.OTLPGRPC, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_METRIC_EXPORT_INTERVAL=1000",
		}, env...), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = loop.Stop()
		if t.Failed() {
			t.Log(loop.Ended())
		}
	})
	return loop
}

// bystanders are containers that must outlive everything here: live sandboxes,
// and what is none of our business.
func (p *pipeline) bystanders(t *testing.T) []string {
	t.Helper()
	image := p.engine.Image(t)
	var ids []string
	for range 5 {
		ids = append(ids,
			p.engine.Run(t, image, sandbox.Labels("bystander")),
			p.engine.Run(t, image, map[string]string{"dev.example.sandbox": "1"}))
	}
	return ids
}

func (p *pipeline) containers(t *testing.T) []string {
	t.Helper()
	list, err := p.engine.API.ContainerList(t.Context(), container.ListOptions{All: true})
	require.NoError(t, err)
	ids := make([]string, 0, len(list))
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

func TestPipeline(t *testing.T) {
	p := start(t)
	bystanders := p.bystanders(t)

	t.Run("a healthy run is counted and brings no alert", func(t *testing.T) { testHealthy(t, p) })
	t.Run("each fault brings its alert", func(t *testing.T) { testFaults(t, p) })
	t.Run("orphans go and all else stays", func(t *testing.T) {
		left := `sum(evolution_sandbox_orphans)`
		require.Eventually(t, func() bool { return p.value(t, left) == 0 }, 2*time.Minute, time.Second, left)
		require.Eventually(t, func() bool { return len(p.containers(t)) == len(bystanders) }, time.Minute, time.Second,
			"containers of the faulty runs")
		assert.ElementsMatch(t, bystanders, p.containers(t))
		assert.Zero(t, p.value(t, `sum(evolution_sandbox_reaps_total{evolution_run_id=~"bystander|healthy"})`))
		assert.Zero(t, p.value(t, `sum(evolution_sandbox_reaps_total{evolution_sandbox_reap_result="failed"})`))
		assert.Positive(t, p.value(t, `sum(evolution_sandbox_reaps_total{evolution_sandbox_reap_result="removed",evolution_run_id="crash"})`))
	})
	t.Run("every convention arrives under its name", func(t *testing.T) { testNames(t, p) })
	t.Run("every query of the dashboard has data", func(t *testing.T) { testDashboard(t, p) })
	t.Run("notifications are grouped by run and kept", func(t *testing.T) { testNotifications(t, p) })
	t.Run("servers are thrifty", func(t *testing.T) {
		var sum uint64
		for name, pid := range p.PIDs() {
			server, err := process.NewProcessWithContext(t.Context(), int32(pid))
			require.NoError(t, err)
			memory, err := server.MemoryInfoWithContext(t.Context())
			require.NoError(t, err)
			t.Logf("%s: %d MiB resident", name, memory.RSS>>20)
			sum += memory.RSS
		}
		assert.Less(t, sum, uint64(memoryLimit))
	})
	t.Run("Prometheus keeps 30 days", func(t *testing.T) {
		flags, err := p.api.Flags(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "30d", flags["storage.tsdb.retention.time"])
	})
}

func testHealthy(t *testing.T, p *pipeline) {
	loop := p.loop(t, "healthy", nil, "--iterations", strconv.Itoa(iterations), "--sandbox", "docker")
	select {
	case <-loop.Done():
		require.True(t, loop.ExitedCleanly(), "%v", loop.Ended())
	case <-time.After(5 * time.Minute):
		t.Fatal("the loop does not end")
	}
	const run = `{evolution_run_id="healthy"}`
	completed := `evolution_run_state_ratio{evolution_run_id="healthy",evolution_run_state="completed"}`
	require.Eventually(t, func() bool { return p.value(t, completed) == 1 }, promise, 200*time.Millisecond, completed)

	assert.InDelta(t, iterations, p.value(t, `evolution_iteration_current`+run), 0)
	assert.InDelta(t, iterations, p.value(t, `sum(evolution_iteration_duration_seconds_count`+run+`)`), 0)
	assert.InDelta(t, iterations, p.value(t, `sum(evolution_iteration_duration_seconds_count{evolution_run_id="healthy",evolution_iteration_outcome="success"})`), 0,
		"a failed iteration: was a live sandbox removed?")
	assert.InDelta(t, 4*iterations, p.value(t, `sum(evolution_evaluation_duration_seconds_count{evolution_run_id="healthy",evolution_evaluation_outcome="success"})`), 0)
	assert.Positive(t, p.value(t, `evolution_champion_fitness`+run))

	diversity := p.samples(t, `evolution_population_diversity_ratio`+run, p.soFar())
	islands := map[model.LabelValue]bool{}
	for _, series := range diversity {
		islands[series.Metric["evolution_island"]] = true
		for _, sample := range series.Values {
			assert.True(t, sample.Value >= 0 && sample.Value <= 1, "%s is %v", series.Metric, sample.Value)
		}
	}
	assert.Len(t, islands, 2)

	assert.Positive(t, p.value(t, `max_over_time(sum(evolution_sandbox_containers{evolution_run_id="healthy",evolution_sandbox_verdict="live"})[5m:1s])`), "sandboxes were seen")
	assert.Positive(t, p.value(t, `sum(evolution_sandbox_exits_total{evolution_run_id="healthy",evolution_sandbox_exit="ok"})`))
	assert.Zero(t, p.value(t, `max_over_time(sum(evolution_sandbox_orphans)[5m:1s])`))

	alerts := p.steps(t, `ALERTS`, p.soFar())
	assert.Empty(t, alerts)
}

// fault is a faulty run, the alert that it must bring, and when that is due: the
// first moment at which condition, of raw series only, has a value.
type fault struct {
	name      string
	args, env []string
	alert     string // selects the alert
	condition string
}

func faults() []fault {
	slow := []string{"--sandbox", "subprocess", "--pause", "500ms"}
	with := func(args ...string) []string { return append(args, slow...) }
	return []fault{
		{
			name: "collapse", args: with("--fault", "collapse@5"),
			alert: `EvolutionDiversityCollapse",evolution_run_id="collapse`,
			// Low for the whole of 5 iterations: of 0.5 s each, so of 2 s from the first on.
			condition: `max by (evolution_island) (max_over_time(evolution_population_diversity_ratio{evolution_run_id="collapse",evolution_diversity_measure="mean_pairwise_distance"}[3s])) < 0.1
			  and on () evolution_iteration_current{evolution_run_id="collapse"} >= 9`,
		},
		{
			name: "stall", args: with("--fault", "stall@15"),
			alert:     `EvolutionChampionStale",evolution_run_id="stall`,
			condition: `evolution_iteration_current{evolution_run_id="stall"} - on (evolution_run_id) evolution_champion_iteration > 20`,
		},
		{
			name: "fail", args: with("--fault", "fail@1"),
			alert: `EvolutionSuccessRateLow",evolution_run_id="fail`,
			condition: `sum(evolution_iteration_duration_seconds_count{evolution_run_id="fail"}) >= 20
			  and sum(evolution_iteration_duration_seconds_count{evolution_run_id="fail",evolution_iteration_outcome="success"})
			    / sum(evolution_iteration_duration_seconds_count{evolution_run_id="fail"}) < 0.2`,
		},
		{
			name: "leak", args: with("--fault", "leak@1"), env: []string{"GOMEMLIMIT=128MiB"},
			alert: `EvolutionMemoryHigh",job="strategyloop`,
			condition: `process_memory_usage_bytes{job="strategyloop"} > 0.8 * 128 * 1024 * 1024
			  and on (job, instance) evolution_iteration_current{evolution_run_id="leak"}`,
		},
		{
			name: "orphans", args: []string{"--sandbox", "docker", "--fault", "orphans@2", "--pause", "1s"},
			alert:     `EvolutionSandboxesOrphaned",evolution_run_id="orphans`,
			condition: `sum(evolution_sandbox_orphans{evolution_run_id="orphans"}) > 3`,
		},
		{
			name: "crash", args: []string{"--sandbox", "docker", "--fault", "crash@5"},
			alert:     `EvolutionSandboxesOrphaned",evolution_run_id="crash`,
			condition: `sum(evolution_sandbox_orphans{evolution_run_id="crash"}) > 3`,
		},
		{
			name:  "crash", // the same run
			alert: `EvolutionTelemetryLost",evolution_run_id="crash`,
			condition: `last_over_time(evolution_run_state_ratio{evolution_run_id="crash",evolution_run_state="running"}[10m])
			  unless evolution_run_state_ratio{evolution_run_id="crash"}`,
		},
	}
}

func testFaults(t *testing.T, p *pipeline) {
	for _, f := range faults() {
		if f.args != nil {
			p.loop(t, f.name, f.env, append(f.args, "--quiet")...)
		}
	}
	for _, f := range faults() {
		firing := `ALERTS{alertstate="firing",alertname="` + f.alert + `"}`
		var fired time.Time
		require.Eventually(t, func() bool {
			fired = p.firstTrue(t, firing, p.soFar())
			return !fired.IsZero()
		}, 3*time.Minute, time.Second, "%s: %s", f.name, firing)
		due := p.firstTrue(t, f.condition, p.soFar())
		require.False(t, due.IsZero(), "%s fired, and its condition never held: %s", f.name, f.condition)
		t.Logf("%s: fired %v after its condition held", f.name, fired.Sub(due))
		assert.LessOrEqual(t, fired.Sub(due), promise, "%s: %s", f.name, firing)
		assert.GreaterOrEqual(t, fired.Sub(due), -5*time.Second, "%s: %s fired before its condition held", f.name, firing)
	}
	// Each fault brings its own alerts and no other's.
	allowed := map[string][]string{
		"collapse": {"EvolutionDiversityCollapse", "EvolutionChampionStale"},
		"stall":    {"EvolutionChampionStale"},
		"fail":     {"EvolutionSuccessRateLow", "EvolutionChampionStale"},
		"leak":     {"EvolutionChampionStale"},
		"orphans":  {"EvolutionSandboxesOrphaned", "EvolutionChampionStale"},
		"crash":    {"EvolutionSandboxesOrphaned", "EvolutionTelemetryLost"},
	}
	for _, series := range p.steps(t, `ALERTS{alertstate="firing"}`, p.soFar()) {
		run, alert := string(series.Metric["evolution_run_id"]), string(series.Metric["alertname"])
		if run == "" {
			assert.Equal(t, "EvolutionMemoryHigh", alert, series.Metric)
			continue
		}
		assert.Contains(t, allowed[run], alert, series.Metric)
	}
}

func testNotifications(t *testing.T, p *pipeline) {
	file, err := os.Open(p.Notifications)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	seen := map[string]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Notification struct {
				GroupLabels map[string]string
				Alerts      []struct {
					Status, StartsAt    string
					Labels, Annotations map[string]string
				}
			}
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line), lines.Text())
		for _, alert := range line.Notification.Alerts {
			assert.Equal(t, line.Notification.GroupLabels["evolution_run_id"], alert.Labels["evolution_run_id"])
			assert.NotEmpty(t, alert.Annotations["summary"])
			assert.Contains(t, alert.Annotations["runbook_url"], "docs/runbooks/"+alert.Labels["alertname"]+".md")
			seen[alert.Labels["alertname"]] = true
		}
	}
	for _, alert := range []string{
		"EvolutionMemoryHigh", "EvolutionDiversityCollapse", "EvolutionChampionStale", "EvolutionSuccessRateLow", "EvolutionSandboxesOrphaned",
	} {
		assert.True(t, seen[alert], "no notification of %s in %s", alert, p.Notifications)
	}
}
