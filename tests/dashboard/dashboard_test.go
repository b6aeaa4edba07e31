// Package dashboard_test shows that the dashboard is one that Grafana 9 can load
// and a person can read, and that it agrees with the alert rules.
package dashboard_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/evotel/evotel/tests/internal/dashboard"
)

const (
	root = "../.."
	file = root + "/dashboards/evolution.json"
)

func read(t *testing.T) *dashboard.Dashboard {
	t.Helper()
	d, err := dashboard.Read(file)
	require.NoError(t, err)
	return d
}

func TestRowsRefreshAndSchema(t *testing.T) {
	d := read(t)
	var rows []string
	for _, p := range d.Panels {
		if p.Type == "row" {
			rows = append(rows, p.Title)
		}
	}
	assert.Equal(t, []string{"Resource usage", "Strategy performance", "Diversity", "Containers"}, rows)
	assert.Equal(t, "5s", d.Refresh)
	assert.Contains(t, []int{36, 37}, d.SchemaVersion, "the schema of Grafana 9.0")
}

func TestEveryPanelExplainsItself(t *testing.T) {
	titles, ids := map[string]bool{}, map[int]bool{}
	for _, p := range read(t).Panels {
		assert.NotEmpty(t, p.Title)
		assert.False(t, titles[p.Title], "two panels are called %q", p.Title)
		assert.False(t, ids[p.ID], "two panels have the id %d", p.ID)
		titles[p.Title], ids[p.ID] = true, true
		if p.Type == "row" {
			continue
		}
		assert.Contains(t, []string{"stat", "timeseries"}, p.Type, p.Title)
		assert.NotEmpty(t, p.Description, p.Title)
		assert.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
		assert.NotEmpty(t, p.Targets, p.Title)
		assert.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		refs := map[string]bool{}
		for _, target := range p.Targets {
			assert.Equal(t, "${datasource}", target.Datasource.UID, p.Title)
			assert.NotEmpty(t, target.Expr, p.Title)
			assert.False(t, refs[target.RefID], "%s: two queries %s", p.Title, target.RefID)
			refs[target.RefID] = true
		}
	}
}

func TestPanelsDoNotOverlapAndLeaveNoHoles(t *testing.T) {
	const width = 24
	cells := map[[2]int]string{}
	bottom := 0
	for _, p := range read(t).Panels {
		g := p.GridPos
		require.Positive(t, g.W, p.Title)
		require.Positive(t, g.H, p.Title)
		assert.LessOrEqual(t, g.X+g.W, width, p.Title)
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				assert.Empty(t, cells[[2]int{x, y}], "%s lies on another panel", p.Title)
				cells[[2]int{x, y}] = p.Title
			}
		}
		bottom = max(bottom, g.Y+g.H)
	}
	assert.Len(t, cells, width*bottom, "the grid has holes")
}

func TestVariablesAndAnnotation(t *testing.T) {
	d := read(t)
	types := map[string]string{}
	for _, v := range d.Templating.List {
		types[v.Name] = v.Type
		if v.Type == "query" {
			assert.Equal(t, "${datasource}", v.Datasource.UID, v.Name)
			assert.True(t, v.IncludeAll, v.Name)
			assert.Equal(t, ".*", v.AllValue, "%s: series without the label must be shown as well", v.Name)
		}
	}
	assert.Equal(t, map[string]string{"datasource": "datasource", "job": "query", "run": "query", "island": "query"}, types)

	var annotated bool
	for _, a := range d.Annotations.List {
		if a.Name == "Champion changes" {
			annotated = a.Enable && a.Expr != "" && a.Datasource.UID == "${datasource}"
		}
	}
	assert.True(t, annotated, "champion changes are annotated")
}

// rule is a recording or an alert rule.
type rule struct {
	Record string
	Alert  string
	Expr   string
}

func rules(t *testing.T) []rule {
	t.Helper()
	files, err := filepath.Glob(root + "/alertrules/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []rule
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		var parsed struct{ Groups []struct{ Rules []rule } }
		require.NoError(t, yaml.Unmarshal(data, &parsed), f)
		for _, g := range parsed.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

var (
	alertName  = regexp.MustCompile(`: (Evolution[A-Za-z]+)\.`)
	comparison = regexp.MustCompile(`[<>]=?\s*([0-9.]+)`)
	recorded   = regexp.MustCompile(`evolution:[a-z_:]+`)
	// inRunbook is code with a selector or a function, or of a recorded series.
	inRunbook = regexp.MustCompile("`([a-z_]+(?: by )?[({][^`]*|evolution:[^`]*)`")
)

// limits returns what the alert compares with, itself and through the rules that it
// reads.
func limits(all []rule, alert string) map[float64]bool {
	found := map[float64]bool{}
	visited := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if visited[name] {
			return
		}
		visited[name] = true
		for _, r := range all {
			if r.Alert != name && r.Record != name || name == "" {
				continue
			}
			for _, match := range comparison.FindAllStringSubmatch(r.Expr, -1) {
				if value, err := strconv.ParseFloat(match[1], 64); err == nil {
					found[value] = true
				}
			}
			for _, next := range recorded.FindAllString(r.Expr, -1) {
				visit(next)
			}
		}
	}
	visit(alert)
	return found
}

func TestThresholdsAreThoseOfTheRules(t *testing.T) {
	all := rules(t)
	shown := map[string]bool{}
	for _, p := range read(t).Panels {
		steps := p.FieldConfig.Defaults.Thresholds.Steps
		match := alertName.FindStringSubmatch(p.Description)
		if match == nil {
			continue
		}
		shown[match[1]] = true
		require.Len(t, steps, 2, p.Title)
		require.NotNil(t, steps[1].Value, p.Title)
		assert.Contains(t, limits(all, match[1]), *steps[1].Value, "%s: %s has another threshold", p.Title, match[1])
		assert.Equal(t, steps[0].Color == "red", strings.Contains(p.Description, "Red below"), "%s is red on the wrong side", p.Title)
	}
	assert.Equal(t, map[string]bool{
		"EvolutionMemoryHigh": true, "EvolutionDiversityCollapse": true, "EvolutionChampionStale": true,
		"EvolutionSuccessRateLow": true, "EvolutionSandboxesOrphaned": true,
	}, shown, "each alert has a panel that shows its threshold")
}

// asked returns the queries of the dashboard and of the runbooks.
func asked(t *testing.T) []dashboard.Query {
	t.Helper()
	queries, err := dashboard.Queries(file)
	require.NoError(t, err)
	require.NotEmpty(t, queries)
	runbooks, err := filepath.Glob(root + "/docs/runbooks/Evolution*.md")
	require.NoError(t, err)
	var inRunbooks int
	for _, runbook := range runbooks {
		data, err := os.ReadFile(runbook)
		require.NoError(t, err)
		for _, match := range inRunbook.FindAllStringSubmatch(string(data), -1) {
			queries = append(queries, dashboard.Query{Name: filepath.Base(runbook), Expr: match[1]})
			inRunbooks++
		}
	}
	require.NotZero(t, inRunbooks)
	return queries
}

func TestRecordedSeriesExist(t *testing.T) {
	known := map[string]bool{}
	for _, r := range rules(t) {
		known[r.Record] = true
	}
	for _, q := range asked(t) {
		for _, name := range recorded.FindAllString(q.Expr, -1) {
			assert.True(t, known[name], "%s asks for %s, which no rule records", q.Name, name)
		}
	}
}

func TestEveryAlertHasItsRunbook(t *testing.T) {
	var alerts int
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts++
		data, err := os.ReadFile(filepath.Join(root, "docs", "runbooks", r.Alert+".md"))
		if assert.NoError(t, err) {
			assert.True(t, strings.HasPrefix(string(data), "# "+r.Alert+"\n"), r.Alert)
		}
	}
	assert.GreaterOrEqual(t, alerts, 5)
}

// Prometheus itself says whether a query is one.
func TestQueriesAreValidPromQL(t *testing.T) {
	promtool, err := filepath.Abs(root + "/bin/promtool")
	require.NoError(t, err)
	if _, err := os.Stat(promtool); err != nil {
		promtool, err = exec.LookPath("promtool")
		if err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("promtool is not built: make tools")
			}
			t.Skip("promtool is not built: make tools")
		}
	}
	type record struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var records []record
	for i, q := range asked(t) {
		records = append(records, record{Record: "query:" + strconv.Itoa(i), Expr: q.Expr})
	}
	data, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": records}}})
	require.NoError(t, err)
	generated := filepath.Join(t.TempDir(), "queries.yaml")
	require.NoError(t, os.WriteFile(generated, data, 0o600))
	out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", generated).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}
