// Package orphans shows on a real Docker Engine that the sandboxes of a killed
// loop are removed, and nothing else.
package orphans

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver"
	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/semconv"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

func TestOrphansOfAKilledOwnerGoAndAllElseStays(t *testing.T) {
	engine := dockertest.Start(t)
	image := engine.Image(t)
	ctx := t.Context()

	owner := exec.Command("sleep", "600")
	require.NoError(t, owner.Start())
	collected := false
	t.Cleanup(func() {
		if !collected {
			_ = owner.Process.Kill()
			_ = owner.Wait()
		}
	})
	doomed := sandbox.Labels("killed", sandbox.WithOwner(owner.Process.Pid))
	foreign := maps.Clone(doomed)
	foreign[sandbox.LabelOwnerMachine] = "another-machine"

	var kept, orphaned []string
	for range 3 {
		orphaned = append(orphaned, engine.Run(t, image, doomed))
	}
	kept = append(kept,
		engine.Run(t, image, sandbox.Labels("alive")),
		engine.Run(t, image, nil),
		engine.Run(t, image, foreign),
		engine.Run(t, image, map[string]string{sandbox.LabelSandbox: sandbox.SelectorValue}),
	)

	sink := new(consumertest.MetricsSink)
	factory := dockerorphanreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*dockerorphanreceiver.Config)
	cfg.Endpoint = engine.Endpoint
	cfg.CollectionInterval = time.Second
	cfg.InitialDelay = 0
	cfg.Cleanup.Mode = dockerorphanreceiver.ModeRemove
	cfg.Cleanup.Grace = time.Second
	receiver, err := factory.CreateMetrics(ctx, receivertest.NewNopSettings(factory.Type()), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, receiver.Start(ctx, componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, receiver.Shutdown(context.Background())) })

	// While the owner lives, several scans leave everything alone.
	require.Eventually(t, func() bool { return len(sink.AllMetrics()) >= 4 }, 30*time.Second, 100*time.Millisecond)
	assert.ElementsMatch(t, append(slices.Clone(orphaned), kept...), containers(t, engine))
	assert.Positive(t, last(sink, semconv.SandboxMemoryUsage.Name, semconv.AttrRunID, "killed"))

	require.NoError(t, owner.Process.Signal(os.Kill))
	_ = owner.Wait()
	collected = true

	require.Eventually(t, func() bool { return len(containers(t, engine)) == len(kept) }, 60*time.Second, 200*time.Millisecond)
	assert.ElementsMatch(t, kept, containers(t, engine))
	require.Eventually(t, func() bool {
		return last(sink, semconv.SandboxReaps.Name, semconv.AttrRunID, "killed",
			semconv.AttrSandboxReason, semconv.ReasonOwnerGone, semconv.AttrSandboxReapResult, semconv.ReapRemoved) == 3
	}, 30*time.Second, 100*time.Millisecond)

	volumes, err := engine.API.VolumeList(ctx, volume.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, volumes.Volumes, len(kept), "anonymous volumes of the orphans")
}

func containers(t *testing.T, e *dockertest.Engine) []string {
	t.Helper()
	list, err := e.API.ContainerList(t.Context(), container.ListOptions{All: true})
	require.NoError(t, err)
	var ids []string
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

// last returns the newest value of the point with these attributes, or -1.
func last(sink *consumertest.MetricsSink, name string, attrs ...string) int64 {
	all := sink.AllMetrics()
	if len(all) == 0 {
		return -1
	}
	metrics := all[len(all)-1].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	for _, m := range metrics.All() {
		if m.Name() != name {
			continue
		}
		points := m.Gauge().DataPoints
		if m.Type().String() == "Sum" {
			points = m.Sum().DataPoints
		}
		for _, p := range points().All() {
			match := true
			for i := 0; i < len(attrs); i += 2 {
				v, ok := p.Attributes().Get(attrs[i])
				match = match && ok && v.Str() == attrs[i+1]
			}
			if match {
				return p.IntValue()
			}
		}
	}
	return -1
}
