package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/evotel/evotel/internal/promname"
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
	expr   string
	label  string
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

// run selects the series of a run, in the expressions below.
const run = "$run"

var (
	iterations = promname.Of(semconv.IterationDuration)
	current    = promname.Of(semconv.IterationCurrent)
	island     = promname.Label(semconv.AttrIsland)
	verdict    = promname.Label(semconv.AttrSandboxVerdict)
	reapResult = promname.Label(semconv.AttrSandboxReapResult)
)

var lines = []line{
	{title: "iteration", expr: "max(" + current + "{" + run + "})", format: number, absent: "waiting for the first"},
	{title: "champion fitness", expr: "max(" + promname.Of(semconv.ChampionFitness) + "{" + run + "})", format: decimal, absent: "none yet"},
	{title: "champion since iteration", expr: "max(" + promname.Of(semconv.ChampionIteration) + "{" + run + "})", format: number, absent: "none yet"},
	{
		title: "diversity", label: island, noun: "island ", format: decimal, absent: "no population yet",
		expr: "max by (" + island + ") (" + promname.Of(semconv.PopulationDiversity) + "{" + run + "," +
			equals(semconv.AttrDiversityMeasure, semconv.MeasureMeanPairwiseDistance) + "})",
	},
	{
		title: "success rate", format: percent, absent: "no iteration yet",
		expr: "sum(" + iterations + "{" + run + "," + equals(semconv.AttrIterationOutcome, semconv.OutcomeSuccess) + "}) / sum(" + iterations + "{" + run + "})",
	},
	{title: "sandboxes", expr: "sum by (" + verdict + ") (" + promname.Of(semconv.SandboxContainers) + "{" + run + "})", label: verdict, format: number, absent: "none"},
	{title: "orphans", expr: "sum(" + promname.Of(semconv.SandboxOrphans) + "{" + run + "})", format: number, absent: "0"},
	{title: "orphans dealt with", expr: "sum by (" + reapResult + ") (" + promname.Of(semconv.SandboxReaps) + "{" + run + "})", label: reapResult, format: number, absent: "0"},
	{
		// The process has no run, but shares job and instance with it.
		title: "memory of the loop", format: bytes, absent: "not reported",
		expr: "max(" + promname.Of(semconv.ProcessMemoryUsage) + " and on (job, instance) " + current + "{" + run + "})",
	},
	// The hostmetrics receiver calls the state "state".
	{title: "memory of the host", expr: "max(" + promname.Of(semconv.SystemMemoryUtilization) + `{state="` + semconv.MemoryStateUsed + `"})`, format: percent, absent: "not reported"},
}

func equals(attribute, value string) string {
	return promname.Label(attribute) + "=" + strconv.Quote(value)
}

// render gives the summary's lines. Prometheus failing is shown, not returned:
// the screen is drawn again soon.
func (s *summary) render(ctx context.Context) string {
	var text strings.Builder
	selector := equals(semconv.AttrRunID, s.runID)
	for _, line := range lines {
		vector, err := s.query(ctx, strings.ReplaceAll(line.expr, run, selector))
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
		if name := sample.Metric[model.LabelName(l.label)]; l.label != "" && name != "" {
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
	vector, err := s.query(ctx, "sum by (alertname, severity, "+island+`) (ALERTS{alertstate="firing"})`)
	if err != nil {
		return "", err
	}
	var alerts []string
	for _, sample := range vector {
		alert := string(sample.Metric["alertname"])
		if name := sample.Metric[model.LabelName(island)]; name != "" {
			alert += fmt.Sprintf(", island %s", name)
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
