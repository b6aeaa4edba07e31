package pipeline_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCollectorStopsAtStartWithEveryProblemNamed(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	require.NoError(t, os.WriteFile(wrong, []byte(`
receivers:
  dockerorphan:
    collection_interval: 1ms
    host_proc: proc
    cleanup: {mode: destroy, max_per_scan: 0}
processors:
  diversity:
    measures: [mean_pairwise_distance, spread]
    max_individuals: 1
    max_genes: 0
`), 0o600))
	collector := exec.CommandContext(t.Context(), filepath.Join(bin(t), "evotelcol"),
		"--config", "../../collector-config/collector.yaml", "--config", wrong)
	output, err := collector.CombinedOutput()
	require.Error(t, err, "the Collector must not start")
	for _, field := range []string{
		"collection_interval", "host_proc", "cleanup::mode", "cleanup::max_per_scan", "spread", "max_individuals", "max_genes",
	} {
		assert.Contains(t, string(output), field)
	}
}

func TestShippedConfigurationsAreValid(t *testing.T) {
	const shipped = "../../collector-config/collector.yaml"
	for _, args := range [][]string{
		{"validate", "--config", shipped},
		{"validate", "--config", shipped, "--config", "../../collector-config/persistent.yaml"},
	} {
		collector := exec.CommandContext(t.Context(), filepath.Join(bin(t), "evotelcol"), args...)
		collector.Env = append(os.Environ(), "EVOTEL_STATE_DIR="+t.TempDir())
		output, err := collector.CombinedOutput()
		require.NoError(t, err, "%v: %s", args, output)
	}
}
