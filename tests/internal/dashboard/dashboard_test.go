package dashboard_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/tests/internal/dashboard"
)

func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dashboard.json")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

func TestQueriesSubstituteVariables(t *testing.T) {
	queries, err := dashboard.Queries(write(t, `{
		"templating": {"list": [
			{"name": "datasource", "type": "datasource"},
			{"name": "run", "type": "query", "includeAll": true, "allValue": ".*", "definition": "label_values(a{b=\"c, d\"}, run)"}]},
		"annotations": {"list": [{"name": "built in"}, {"name": "change", "expr": "a != a offset $__interval"}]},
		"panels": [
			{"title": "Row", "type": "row"},
			{"title": "Rate", "targets": [{"expr": "rate(a{run=~\"${run}\"}[$__rate_interval])"}, {"expr": "b{run=~\"|$run\"}"}]}]}`))
	require.NoError(t, err)
	assert.Equal(t, []dashboard.Query{
		{Kind: dashboard.KindVariable, Name: "run", Expr: `group by (run) (a{b="c, d"})`},
		{Kind: dashboard.KindAnnotation, Name: "change", Expr: `a != a offset 5s`},
		{Kind: dashboard.KindPanel, Name: "Rate", Expr: `rate(a{run=~".*"}[30s])`},
		{Kind: dashboard.KindPanel, Name: "Rate", Expr: `b{run=~"|.*"}`},
	}, queries)
}

func TestQueriesRefuseWhatGrafanaCouldNotSend(t *testing.T) {
	for name, content := range map[string]string{
		"undefined variable": `{"panels": [{"title": "P", "targets": [{"expr": "a{run=\"$run\"}"}]}]}`,
		"no label_values":    `{"templating": {"list": [{"name": "v", "type": "query", "definition": "metrics(a)"}]}}`,
		"no JSON":            `{`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dashboard.Queries(write(t, content))
			assert.Error(t, err)
		})
	}
	_, err := dashboard.Queries(filepath.Join(t.TempDir(), "absent.json"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
