package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/evotel/evotel/semconv"
)

// summary reads a run's state back from Prometheus, so that what it shows has
// gone the whole way.
type summary struct {
	prometheus promv1.API
	runID      string
}

func newSummary(address, runID string) (*summary, error) {
	client, err := promapi.NewClient(promapi.Config{Address: "http://" + address})
	if err != nil {
		return nil, fmt.Errorf("making a client of Prometheus: %w", err)
	}
	return &summary{prometheus: promv1.NewAPI(client), runID: runID}, nil
}

// line is one row of the summary: the value of an expression, for each value of
// a label when there is one.
type line struct {
	title  string
	expr   string // %s is the selector of the run
	label  model.LabelName
	noun   string // before the label's value
	format func(float64) string
	// absent is shown when there is no such series.
	absent string
}

const titleWidth = 26

func number(v float64) string  { return fmt.Sprintf("%.0f", v) }
func decimal(v float64) string { return fmt.Sprintf("%.4g", v) }
func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }
func bytes(v float64) string   { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }

// lines use the names that Prometheus gives the conventions' metrics; the golden
// test of tests/pipeline pins them.
var lines = []line{
	{title: "iteration", expr: `max(evolution_iteration_current{%s})`, format: number, absent: "waiting for the first"},
	{title: "champion fitness", expr: `max(evolution_champion_fitness{%s})`, format: decimal, absent: "none yet"},
	{title: "champion since iteration", expr: `max(evolution_champion_iteration{%s})`, format: number, absent: "none yet"},
	{title: "diversity", expr: `max by (evolution_island) (evolution_population_diversity_ratio{evolution_diversity_measure="` + semconv.MeasureMeanPairwiseDistance + `",%s})`, label: "evolution_island", noun: "island ", format: decimal, absent: "no population yet"},
	{title: "success rate", expr: `sum(evolution_iteration_duration_seconds_count{evolution_iteration_outcome="` + semconv.OutcomeSuccess + `",%[1]s}) / sum(evolution_iteration_duration_seconds_count{%[1]s})`, format: percent, absent: "no iteration yet"},
	{title: "sandboxes", expr: `sum by (evolution_sandbox_verdict) (evolution_sandbox_containers{%s})`, label: "evolution_sandbox_verdict", format: number, absent: "none"},
	{title: "orphans", expr: `sum(evolution_sandbox_orphans{%s})`, format: number, absent: "0"},
	{title: "orphans dealt with", expr: `sum by (evolution_sandbox_reap_result) (evolution_sandbox_reaps_total{%s})`, label: "evolution_sandbox_reap_result", format: number, absent: "0"},
	{title: "memory of the loop", expr: `max(process_memory_usage_bytes * on (job, instance) group_left () max by (job, instance) (evolution_iteration_current{%s} * 0 + 1))`, format: bytes, absent: "not reported"},
	{title: "memory of the host", expr: `max(system_memory_utilization_ratio{state="used"})`, format: percent, absent: "not reported"},
}

// render gives the summary's lines. Prometheus failing is shown, not returned:
// the screen is drawn again soon.
func (s *summary) render(ctx context.Context) string {
	var text strings.Builder
	selector := fmt.Sprintf(`evolution_run_id=%q`, s.runID)
	for _, line := range lines {
		expr := strings.ReplaceAll(strings.ReplaceAll(line.expr, "%[1]s", selector), "%s", selector)
		vector, err := s.query(ctx, expr)
		if err != nil {
			return fmt.Sprintf("  Prometheus does not answer: %v\n", err)
		}
		_, _ = fmt.Fprintf(&text, "  %-*s%s\n", titleWidth, line.title, line.values(vector))
	}
	firing, err := s.firing(ctx)
	if err != nil {
		return fmt.Sprintf("  Prometheus does not answer: %v\n", err)
	}
	_, _ = fmt.Fprintf(&text, "  %-*s%s\n", titleWidth, "firing alerts", firing)
	return text.String()
}

func (l line) values(vector model.Vector) string {
	var values []string
	for _, sample := range vector {
		value := float64(sample.Value)
		if math.IsNaN(value) {
			continue
		}
		text := l.format(value)
		if name := sample.Metric[l.label]; l.label != "" && name != "" {
			text = fmt.Sprintf("%s%s: %s", l.noun, name, text)
		}
		values = append(values, text)
	}
	if len(values) == 0 {
		return l.absent
	}
	slices.Sort(values)
	return strings.Join(values, ", ")
}

// firing describes the alerts that fire, of any run.
func (s *summary) firing(ctx context.Context) (string, error) {
	vector, err := s.query(ctx, `sum by (alertname, evolution_island, severity) (ALERTS{alertstate="firing"})`)
	if err != nil {
		return "", err
	}
	var alerts []string
	for _, sample := range vector {
		alert := string(sample.Metric["alertname"])
		if island := sample.Metric["evolution_island"]; island != "" {
			alert += fmt.Sprintf(", island %s", island)
		}
		alerts = append(alerts, fmt.Sprintf("%s (%s)", alert, sample.Metric["severity"]))
	}
	if len(alerts) == 0 {
		return "none", nil
	}
	slices.Sort(alerts)
	return strings.Join(alerts, "\n"+strings.Repeat(" ", titleWidth+2)), nil
}

func (s *summary) query(ctx context.Context, expr string) (model.Vector, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	value, _, err := s.prometheus.Query(ctx, expr, time.Now())
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", expr, err)
	}
	vector, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("asking %s: got a %s, expected a vector", expr, value.Type())
	}
	return vector, nil
}
