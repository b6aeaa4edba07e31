// Package languages_test runs the example loops in other languages end to end,
// with the real Collector and the real Prometheus, the rules and the dashboard
// that are shipped.
package languages_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/tests/collector"
	"github.com/evotel/evotel/tests/internal/dashboard"
)

// loop is an example, and how it is installed and run.
type loop struct {
	example   string
	needs     string
	install   [][]string // in the example's copy
	run       []string   // for 30 iterations
	endless   []string   // collapsed, where it can
	collapses bool
	large     []string // odd strings in a population of 3 000
	job       string
	islands   []string
	// iterations is what is counted: DEAP counts the first population as one.
	iterations float64
}

var loops = []loop{
	{
		example: "python", needs: "python3",
		install: [][]string{{"python3", "-m", "venv", "venv"}, {"venv/bin/pip", "install", "-q", "-r", "python/requirements.txt"}},
		run:     []string{"venv/bin/python", "python/loop.py", "--iterations", "30"},
		endless: []string{"venv/bin/python", "python/loop.py", "--iterations", "100000", "--collapse"}, collapses: true,
		large: []string{"venv/bin/python", "-c", largeInPython},
		job:   "python-loop", islands: []string{"north", "south"}, iterations: 30,
	},
	{
		example: "node", needs: "npm",
		install: [][]string{{"npm", "install", "--prefix", "node", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error"}},
		run:     []string{"node", "node/loop.js", "--iterations", "30"},
		endless: []string{"node", "node/loop.js", "--iterations", "100000", "--collapse"}, collapses: true,
		large: []string{"node", "--input-type=module", "-e", largeInNode},
		job:   "node-loop", islands: []string{""}, iterations: 30,
	},
	{
		example: "deap", needs: "python3",
		install: [][]string{{"python3", "-m", "venv", "venv"}, {"venv/bin/pip", "install", "-q", "-r", "deap/requirements.txt"}},
		run:     []string{"venv/bin/python", "deap/onemax.py", "--generations", "30"},
		endless: []string{"venv/bin/python", "deap/onemax.py", "--generations", "100000"},
		job:     "deap-onemax", islands: []string{""}, iterations: 31,
	},
}

// More individuals than an SDK's default limit, with names that are not UTF-8.
const (
	largeInPython = `
import sys
sys.path.insert(0, "python")
import evotel
with evotel.Run("large", "python-large") as run:
    with run.iteration():
        run.population([("no fitness", float("nan"), ["a"])] + [(f"\ud800{i}", 1.0, [f"\udfff{i}", "a"]) for i in range(3000)])
`
	largeInNode = `
import { Run } from './node/evotel.js';
const run = new Run('large', { runId: 'node-large' });
await run.iteration(async () => run.population(Array.from({ length: 3000 },
  (_, i) => ({ id: '\ud800' + i, fitness: 1, genome: ['\udfff' + i, 'a'] }))));
await run.end();
`
)

func TestLoopsInOtherLanguages(t *testing.T) {
	c := collector.New(t)
	c.Start(t)
	p := c.Prometheus(t)
	t.Cleanup(func() { assert.NotContains(t, c.Log(), "snapshot is not whole") })
	for _, l := range loops {
		t.Run(l.example, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(l.needs); err != nil && os.Getenv("CI") == "" {
				t.Skipf("%s is not installed", l.needs)
			}
			dir := t.TempDir()
			for _, example := range []string{"python", "node", "deap"} {
				require.NoError(t, os.CopyFS(filepath.Join(dir, example), os.DirFS(filepath.Join(collector.Root(), "examples", example))))
			}
			for _, command := range l.install {
				output, err := prepare(c, dir, command).CombinedOutput()
				require.NoError(t, err, "%s:\n%s", strings.Join(command, " "), output)
			}

			t.Run("completes", func(t *testing.T) {
				id := l.example + "-well"
				run(t, c, dir, l.run, id)
				s := samples(t, c, id)
				one := func(name string, labels ...string) float64 {
					return s.Select(name, append(labels, "job", l.job)...).Value()
				}
				assert.Equal(t, l.iterations, one("evolution_iteration_current"))
				assert.Equal(t, l.iterations, one("evolution_iteration_duration_seconds_count", "evolution_iteration_outcome", "success"))
				assert.Positive(t, one("evolution_evaluation_duration_seconds_count", "evolution_evaluation_outcome", "success"))
				assert.Positive(t, one("evolution_champion_iteration"))
				assert.Len(t, s.Select("evolution_champion_fitness"), 1)
				assert.Zero(t, one("evolution_evaluation_active"))
				assert.Zero(t, one("evolution_evaluation_active_age_max_seconds"))
				assert.Equal(t, 1.0, one("evolution_run_state_ratio", "evolution_run_state", "completed"))
				assert.Zero(t, one("evolution_run_state_ratio", "evolution_run_state", "running"))
				for _, island := range l.islands {
					assert.Positive(t, one("evolution_population_size", "evolution_island", island))
					diversity := one("evolution_population_diversity_ratio", "evolution_island", island, "evolution_diversity_measure", "mean_pairwise_distance")
					assert.Greater(t, diversity, 0.0)
					assert.LessOrEqual(t, diversity, 1.0)
					assert.Equal(t, one("evolution_population_size", "evolution_island", island),
						one("evolution_population_individuals", "evolution_island", island, "evolution_individual_validity", "valid"))
				}
				assert.Empty(t, s.Select("evolution_individual_fitness"), "individuals don't reach Prometheus")
			})
			if l.large != nil {
				t.Run("has many individuals with odd names", func(t *testing.T) {
					output, err := prepare(c, dir, l.large).CombinedOutput()
					require.NoError(t, err, "%s", output)
					s := samples(t, c, l.example+"-large")
					assert.Equal(t, 3000.0, s.Select("evolution_population_size").Value())
					assert.Equal(t, 3000.0, s.Select("evolution_population_individuals", "evolution_individual_validity", "valid").Value())
					assert.Equal(t, 1.0, s.Select("evolution_population_diversity_ratio", "evolution_diversity_measure", "unique_ratio").Value())
				})
			}
			t.Run("is watched and told to stop", func(t *testing.T) {
				id := l.example + "-stopped"
				command := prepare(c, dir, append(l.endless, "--run-id", id))
				require.NoError(t, command.Start())
				ended := make(chan struct{})
				go func() {
					_ = command.Wait() // its status is the loop's business
					close(ended)
				}()
				t.Cleanup(func() { _ = command.Process.Kill() })
				state := func(s string) float64 {
					return p.Ask(collector.Run("evolution_run_state_ratio", id, `evolution_run_state="`+s+`"`)).Value()
				}
				require.Eventually(t, func() bool { return state("running") == 1 }, 30*time.Second, 200*time.Millisecond)
				if l.collapses {
					for _, island := range l.islands {
						firing := collector.Run("ALERTS", id, `alertname="EvolutionDiversityCollapse"`, `alertstate="firing"`, `evolution_island="`+island+`"`)
						require.Eventually(t, func() bool { return len(p.Ask(firing)) == 1 }, 30*time.Second, 200*time.Millisecond, firing)
					}
				}
				for _, expr := range panels(t, id) {
					require.Eventually(t, func() bool { return p.Has(expr) }, time.Minute, 500*time.Millisecond, "the dashboard has no data: %s", expr)
				}

				require.NoError(t, command.Process.Signal(syscall.SIGTERM))
				select {
				case <-ended:
				case <-time.After(20 * time.Second):
					t.Fatal("the loop goes on")
				}
				assert.Eventually(t, func() bool { return state("failed") == 1 }, 10*time.Second, 200*time.Millisecond)
				assert.Zero(t, state("running"))
			})
		})
	}
}

// panels are the dashboard's queries about runs, asked of one run, without what
// none of these loops has: failures by their type, and the use of its process,
// which the Go library reports.
func panels(t *testing.T, runID string) []string {
	t.Helper()
	queries, err := dashboard.Queries(filepath.Join(collector.Root(), "dashboards", "evolution.json"))
	require.NoError(t, err)
	const all = `evolution_run_id=~".*"`
	var exprs []string
	for _, q := range queries {
		absent := strings.Contains(q.Expr, "error_type") || strings.Contains(q.Expr, "process_")
		if q.Kind == dashboard.KindPanel && strings.Contains(q.Expr, all) && !absent {
			exprs = append(exprs, strings.ReplaceAll(q.Expr, all, `evolution_run_id="`+runID+`"`))
		}
	}
	require.Greater(t, len(exprs), 10)
	return exprs
}

func prepare(c *collector.Collector, dir string, command []string) *exec.Cmd {
	name := command[0]
	if strings.Contains(name, "/") {
		name = filepath.Join(dir, name)
	}
	cmd := exec.Command(name, command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+c.OTLPHTTP)
	return cmd
}

func run(t *testing.T, c *collector.Collector, dir string, command []string, runID string) {
	t.Helper()
	output, err := prepare(c, dir, append(command, "--run-id", runID)).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// samples are those of one run.
func samples(t *testing.T, c *collector.Collector, runID string) collector.Samples {
	t.Helper()
	var out collector.Samples
	for _, sample := range c.Samples() {
		if string(sample.Metric["evolution_run_id"]) == runID {
			out = append(out, sample)
		}
	}
	require.NotEmpty(t, out)
	return out
}
