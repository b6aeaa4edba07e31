// Package lease shows with the real Collector, a real Docker Engine and real
// loops that telemetry proves whose sandboxes are orphans, though their labels
// say nothing but the run; and that it condemns nobody who may live.
package lease

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/tests/collector"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

// envLoop is the run of the loop that this program then is.
const envLoop = "EVOTEL_TEST_LOOP"

func TestMain(m *testing.M) {
	if run := os.Getenv(envLoop); run != "" {
		os.Exit(loop(run))
	}
	os.Exit(m.Run())
}

// loop is a run that goes on until it is told to stop.
func loop(runID string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	monitor := instrumentation.Start(ctx, instrumentation.WithServiceName("loop"), instrumentation.WithExportInterval(500*time.Millisecond))
	run := monitor.Run(instrumentation.WithRunID(runID))
	for ctx.Err() == nil {
		iteration := run.Iteration()
		time.Sleep(100 * time.Millisecond)
		iteration.End(nil)
	}
	run.End(nil)
	monitor.Shutdown(context.WithoutCancel(ctx))
	return 0
}

// scene is a Collector with an Engine and loops.
type scene struct {
	*collector.Collector
	t      *testing.T
	engine *dockertest.Engine
	boxes  map[string]string // run to container
}

// start starts the process of a loop.
func (s *scene) start(run string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envLoop+"="+run, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+s.OTLPHTTP, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
	cmd.Stderr = os.Stderr
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s.eventually("is running", func() bool {
		return s.Samples().Select("evolution_run_state_ratio", "evolution_run_id", run, "evolution_run_state", "running").Value() == 1
	})
	return cmd
}

func end(t *testing.T, cmd *exec.Cmd, how os.Signal) {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(how))
	_ = cmd.Wait()
}

func (s *scene) eventually(what string, condition func() bool) {
	s.t.Helper()
	require.Eventually(s.t, condition, 60*time.Second, 100*time.Millisecond, what)
}

// isOrphan is whether the sandbox of the run is one, for that reason.
func (s *scene) isOrphan(run string, reason sandbox.Reason) bool {
	return s.Samples().Select("evolution_sandbox_orphans", "evolution_run_id", run, "evolution_sandbox_reason", string(reason)).Value() == 1
}

// assertKept says that the sandboxes of these runs are watched, and unverifiable.
func (s *scene) assertKept(runs ...string) {
	s.t.Helper()
	samples := s.Samples()
	for _, run := range runs {
		of := samples.Select("evolution_sandbox_unverifiable", "evolution_run_id", run)
		sum := 0.0
		for _, sample := range of {
			sum += float64(sample.Value)
		}
		assert.Equal(s.t, 1.0, sum, "the sandbox of %s is unverifiable", run)
	}
}

// scanned waits until the Collector has looked at the sandboxes.
func (s *scene) scanned() {
	s.t.Helper()
	s.eventually("sandboxes are reported", func() bool {
		return len(s.Samples().Select("evolution_sandbox_containers", "evolution_run_id", "other", "evolution_sandbox_verdict", "unverifiable")) > 0
	})
}

// keepFor asserts for a while that the sandboxes of the runs are kept.
func (s *scene) keepFor(d time.Duration, runs ...string) {
	s.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		s.assertKept(runs...)
	}
}

// restart kills the Collector and starts it with these overlays.
func (s *scene) restart(overlays ...string) {
	s.t.Helper()
	s.Kill()
	s.Configure(overlays...)
	s.Start(s.t)
}

func overlay(t *testing.T, endpoint, cleanup string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "overlay.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
extensions:
  run_lease: {silent_after: 6s, ended_after: 3s}
receivers:
  dockerorphan:
    endpoint: %s
    collection_interval: 1s
    cleanup: {mode: %q, grace: 1s}
`, endpoint, cleanup), 0o600))
	return file
}

func TestTelemetryTellsWhoseSandboxesAreOrphans(t *testing.T) {
	engine := dockertest.Start(t)
	image := engine.Image(t)
	t.Setenv("EVOTEL_STATE_DIR", t.TempDir())
	watching, removing := overlay(t, engine.Endpoint, "off"), overlay(t, engine.Endpoint, "remove")
	persistent := filepath.Join(collector.Root(), "collector-config", "persistent.yaml")

	s := &scene{Collector: collector.New(t, watching, persistent), t: t, engine: engine, boxes: map[string]string{}}
	for _, run := range []string{"ends", "dies", "other", "stranger"} {
		s.boxes[run] = engine.Run(t, image, map[string]string{sandbox.LabelSandbox: sandbox.SelectorValue, sandbox.LabelRunID: run})
	}
	s.Start(t)
	ends, dies, other := s.start("ends"), s.start("dies"), s.start("other")
	s.scanned()
	s.keepFor(5*time.Second, "ends", "dies", "other", "stranger")

	// One says that it ended, the other says nothing any more.
	end(t, ends, syscall.SIGTERM)
	end(t, dies, syscall.SIGKILL)
	s.eventually("the run that has ended", func() bool { return s.isOrphan("ends", sandbox.ReasonRunEnded) })
	s.eventually("the run that is silent", func() bool { return s.isOrphan("dies", sandbox.ReasonRunSilent) })
	s.assertKept("other", "stranger")

	// A Collector that did not run for a while, as on a laptop that slept, holds
	// nothing against anybody until it has listened again.
	s.Pause(t)
	time.Sleep(4 * time.Second)
	s.Resume(t)
	s.eventually("nobody is silent after a pause", func() bool { return !s.isOrphan("dies", sandbox.ReasonRunSilent) })
	s.assertKept("dies", "other", "stranger")
	s.eventually("the run that is silent, after a pause", func() bool { return s.isOrphan("dies", sandbox.ReasonRunSilent) })

	// A Collector that was killed remembers, but is young at first.
	s.restart(watching, persistent)
	s.scanned()
	s.assertKept("ends", "dies", "other", "stranger")
	s.eventually("the run that has ended, after a restart", func() bool { return s.isOrphan("ends", sandbox.ReasonRunEnded) })
	s.eventually("the run that is silent, after a restart", func() bool { return s.isOrphan("dies", sandbox.ReasonRunSilent) })
	s.assertKept("other", "stranger")

	// Who starts a sandbox of a run that has ended resumes it, though unheard.
	fresh := engine.Run(t, image, map[string]string{sandbox.LabelSandbox: sandbox.SelectorValue, sandbox.LabelRunID: "ends"})
	s.eventually("the run is resumed", func() bool {
		return s.Samples().Select("evolution_sandbox_unverifiable", "evolution_run_id", "ends", "evolution_sandbox_reason", "labels_missing").Value() == 2
	})
	assert.False(t, s.isOrphan("ends", sandbox.ReasonRunEnded))
	require.NoError(t, engine.API.ContainerRemove(t.Context(), fresh, container.RemoveOptions{Force: true, RemoveVolumes: true}))

	// A run that is resumed is alive again.
	resumed := s.start("dies")
	s.eventually("the resumed run", func() bool { return !s.isOrphan("dies", sandbox.ReasonRunSilent) })
	s.keepFor(2*time.Second, "dies", "other", "stranger")

	// When nobody is heard, nobody is silent.
	end(t, resumed, syscall.SIGKILL)
	end(t, other, syscall.SIGKILL)
	s.keepFor(12*time.Second, "dies", "other", "stranger")

	// Only what was proven goes; what a Collector without storage has not heard
	// itself it does not know.
	s.restart(removing)
	s.scanned()
	s.keepFor(5*time.Second, "ends", "dies", "other", "stranger")
	s.restart(removing, persistent)
	s.eventually("the sandbox of the run that has ended goes", func() bool { return !s.has("ends") })
	for _, run := range []string{"dies", "other", "stranger"} {
		assert.True(t, s.has(run), "the sandbox of %s", run)
	}
}

// has is whether the Engine has the sandbox of the run.
func (s *scene) has(run string) bool {
	list, err := s.engine.API.ContainerList(context.Background(), container.ListOptions{All: true})
	require.NoError(s.t, err)
	for _, c := range list {
		if c.ID == s.boxes[run] {
			return true
		}
	}
	return false
}
