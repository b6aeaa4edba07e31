package pipeline_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/tests/internal/dashboard"
)

// testDashboard sends every query of the dashboard as Grafana would, over the time
// of the test.
func testDashboard(t *testing.T, p *pipeline) {
	queries, err := dashboard.Queries("../../dashboards/evolution.json")
	require.NoError(t, err)
	require.NotEmpty(t, queries)
	for _, q := range queries {
		assert.NotEmpty(t, p.steps(t, q.Expr, p.soFar()), "%s %q has no data: %s", q.Kind, q.Name, q.Expr)
	}
}
