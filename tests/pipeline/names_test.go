package pipeline_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/internal/promname"
	"github.com/evotel/evotel/semconv"
)

var update = flag.Bool("update", false, "write testdata/names.txt from what Prometheus has")

// testNames pins the name and the labels that each convention has in Prometheus,
// since rules, dashboards and people depend on them.
func testNames(t *testing.T, p *pipeline) {
	var got strings.Builder
	for _, m := range append(semconv.All(), semconv.ProcessMemoryUsage, semconv.ProcessCPUTime, semconv.ProcessThreadCount, semconv.ProcessOpenFiles, semconv.ProcessUptime) {
		name := promname.Of(m)
		if m.Name == semconv.IndividualFitness.Name {
			assert.Empty(t, p.labels(t, name, p.soFar()), "individuals stop at the processor")
			continue
		}
		labels := p.labels(t, name, p.soFar())
		assert.NotEmpty(t, labels, "%s (%s) is not in Prometheus", name, m.Name)
		_, _ = fmt.Fprintf(&got, "%s %s{%s}\n", m.Name, name, strings.Join(labels, ","))
	}
	file := filepath.Join("testdata", "names.txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String(), "go test ./tests/pipeline -update writes it anew")
}
