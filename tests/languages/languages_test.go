// Package languages_test runs the example loops in other languages end to end
// against the real Collector.
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
)

// loop is an example, and how it is installed and run.
type loop struct {
	example string
	needs   string
	install [][]string // in the example's copy
	run     []string   // for 30 iterations
	collapse,
	endless []string
	job     string
	islands []string
	// iterations is what is counted: DEAP counts the first population as one.
	iterations float64
}

var loops = []loop{
	{
		example: "python", needs: "python3",
		install:  [][]string{{"python3", "-m", "venv", "venv"}, {"venv/bin/pip", "install", "-q", "-r", "python/requirements.txt"}},
		run:      []string{"venv/bin/python", "python/loop.py", "--iterations", "30"},
		collapse: []string{"venv/bin/python", "python/loop.py", "--iterations", "30", "--collapse"},
		endless:  []string{"venv/bin/python", "python/loop.py", "--iterations", "100000"},
		job:      "python-loop", islands: []string{"north", "south"}, iterations: 30,
	},
	{
		example: "node", needs: "npm",
		install:  [][]string{{"npm", "install", "--prefix", "node", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error"}},
		run:      []string{"node", "node/loop.js", "--iterations", "30"},
		collapse: []string{"node", "node/loop.js", "--iterations", "30", "--collapse"},
		endless:  []string{"node", "node/loop.js", "--iterations", "100000"},
		job:      "node-loop", islands: []string{""}, iterations: 30,
	},
	{
		example: "deap", needs: "python3",
		install: [][]string{{"python3", "-m", "venv", "venv"}, {"venv/bin/pip", "install", "-q", "-r", "deap/requirements.txt"}},
		run:     []string{"venv/bin/python", "deap/onemax.py", "--generations", "30"},
		endless: []string{"venv/bin/python", "deap/onemax.py", "--generations", "100000"},
		job:     "deap-onemax", islands: []string{""}, iterations: 31,
	},
}

func TestLoopsInOtherLanguages(t *testing.T) {
	c := collector.New(t)
	c.Start(t)
	for _, l := range loops {
		t.Run(l.example, func(t *testing.T) {
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
			if l.collapse != nil {
				t.Run("collapses", func(t *testing.T) {
					id := l.example + "-collapsed"
					run(t, c, dir, l.collapse, id)
					s := samples(t, c, id)
					for _, island := range l.islands {
						assert.Zero(t, s.Select("evolution_population_diversity_ratio", "evolution_island", island, "evolution_diversity_measure", "mean_pairwise_distance").Value())
					}
				})
			}
			t.Run("is told to stop", func(t *testing.T) {
				id := l.example + "-stopped"
				command := prepare(c, dir, append(l.endless, "--run-id", id))
				require.NoError(t, command.Start())
				ended := make(chan struct{})
				go func() {
					_ = command.Wait() // its status is the loop's business
					close(ended)
				}()
				t.Cleanup(func() { _ = command.Process.Kill() })
				require.Eventually(t, func() bool {
					return c.Samples().Select("evolution_run_state_ratio", "evolution_run_id", id, "evolution_run_state", "running").Value() == 1
				}, 30*time.Second, 100*time.Millisecond)
				require.NoError(t, command.Process.Signal(syscall.SIGTERM))
				select {
				case <-ended:
				case <-time.After(20 * time.Second):
					t.Fatal("the loop goes on")
				}
				if l.example != "deap" { // which doesn't listen to SIGTERM: it is lost, not failed
					require.Equal(t, 1.0, c.Samples().Select("evolution_run_state_ratio", "evolution_run_id", id, "evolution_run_state", "failed").Value())
				}
			})
		})
	}
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
