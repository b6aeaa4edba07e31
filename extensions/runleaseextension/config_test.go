package runleaseextension

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"
)

func load(t *testing.T, name string) *Config {
	t.Helper()
	all, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	sub, err := all.Sub(name)
	require.NoError(t, err)
	config := createDefaultConfig()
	require.NoError(t, sub.Unmarshal(config))
	return config.(*Config)
}

func TestConfigLoads(t *testing.T) {
	config := load(t, "run_lease")
	assert.Equal(t, createDefaultConfig(), config)
	require.NoError(t, xconfmap.Validate(config))

	config = load(t, "run_lease/full")
	require.NoError(t, xconfmap.Validate(config))
	storage := component.MustNewIDWithName("file_storage", "runs")
	assert.Equal(t, &Config{
		SilentAfter: 30 * time.Minute, EndedAfter: 5 * time.Minute, Retention: 48 * time.Hour, MaxRuns: 50, Storage: &storage,
	}, config)
}

func TestConfigReportsEveryProblem(t *testing.T) {
	err := xconfmap.Validate(load(t, "run_lease/wrong"))
	for _, want := range []string{
		`"silent_after" must be at least 1s, is 10ms`, `"ended_after" must not be negative, is -1s`,
		`"retention" must be longer than "silent_after" and "ended_after", is 5ms`, `"max_runs" must be from 1 to 100000, is 0`,
	} {
		assert.ErrorContains(t, err, want)
	}
}
