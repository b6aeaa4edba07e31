package pipeline_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// prometheus is what everything in this package is judged by.
type prometheus struct{ api promv1.API }

func newPrometheus(t *testing.T, address string) prometheus {
	t.Helper()
	client, err := promapi.NewClient(promapi.Config{Address: "http://" + address})
	require.NoError(t, err)
	return prometheus{promv1.NewAPI(client)}
}

// ask returns the vector that expr is now.
func (p prometheus) ask(t *testing.T, expr string) model.Vector {
	t.Helper()
	value, _, err := p.api.Query(t.Context(), expr, time.Now())
	require.NoError(t, err, expr)
	vector, ok := value.(model.Vector)
	require.True(t, ok, "%s is a %s", expr, value.Type())
	return vector
}

// value returns the one value of expr, or -1 if there is none.
func (p prometheus) value(t *testing.T, expr string) float64 {
	t.Helper()
	vector := p.ask(t, expr)
	if len(vector) == 0 {
		return -1
	}
	require.Len(t, vector, 1, expr)
	return float64(vector[0].Value)
}

// samples returns the raw samples of the series that selector names, of the last
// while, by series.
func (p prometheus) samples(t *testing.T, selector string, last time.Duration) model.Matrix {
	t.Helper()
	value, _, err := p.api.Query(t.Context(), selector+"["+model.Duration(last).String()+"]", time.Now())
	require.NoError(t, err, selector)
	matrix, ok := value.(model.Matrix)
	require.True(t, ok, "%s is a %s", selector, value.Type())
	return matrix
}

// steps evaluates expr for each second of the last while.
func (p prometheus) steps(t *testing.T, expr string, last time.Duration) model.Matrix {
	t.Helper()
	now := time.Now()
	value, _, err := p.api.QueryRange(t.Context(), expr, promv1.Range{Start: now.Add(-last), End: now, Step: time.Second})
	require.NoError(t, err, expr)
	matrix, ok := value.(model.Matrix)
	require.True(t, ok, "%s is a %s", expr, value.Type())
	return matrix
}

// firstTrue returns when any series of expr first was there, zero if never.
func (p prometheus) firstTrue(t *testing.T, expr string, last time.Duration) time.Time {
	t.Helper()
	var first time.Time
	for _, series := range p.steps(t, expr, last) {
		if at := series.Values[0].Timestamp.Time(); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// labels returns the names of the labels that the series of a metric have, the
// exporter's own about scopes left out.
func (p prometheus) labels(t *testing.T, metric string, last time.Duration) []string {
	t.Helper()
	names := map[string]bool{}
	for _, sample := range p.ask(t, "last_over_time("+metric+"["+model.Duration(last).String()+"])") {
		for name := range sample.Metric {
			switch name {
			case model.MetricNameLabel, "le", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url":
			default:
				names[string(name)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
