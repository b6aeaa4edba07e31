package runleaseprocessor

import (
	"path/filepath"
	"testing"

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

	config = load(t, "run_lease/other")
	require.NoError(t, xconfmap.Validate(config))
	assert.Equal(t, component.MustNewIDWithName("run_lease", "other"), config.Lease)

	require.ErrorContains(t, xconfmap.Validate(&Config{}), `"lease" must name a run_lease extension`)
}
