package diversityprocessor

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"

	"github.com/evotel/evotel/semconv"
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
	config := load(t, "diversity")
	assert.Equal(t, createDefaultConfig(), config)
	require.NoError(t, xconfmap.Validate(config))

	config = load(t, "diversity/some")
	require.NoError(t, xconfmap.Validate(config))
	assert.Equal(t, &Config{
		Measures:        []string{semconv.MeasureMeanPairwiseDistance, semconv.MeasureEntropy},
		KeepIndividuals: true, MaxIndividuals: 100, MaxGenes: 10, MaxComparisons: 1000,
	}, config)
}

func TestConfigReportsEveryProblem(t *testing.T) {
	err := xconfmap.Validate(load(t, "diversity/wrong"))
	for _, want := range []string{`has "spread"`, `has "entropy" twice`, `"max_individuals" must be at least 2, is 0`, `"max_genes" must be at least 1, is -1`, `"max_comparisons" must not be negative, is -2`} {
		assert.ErrorContains(t, err, want)
	}
}
