// Package semconv holds evotel's semantic conventions: the name, unit,
// instrument, attributes and meaning of every metric that a loop, the Collector
// and the rules agree on. No other Go code spells one of these names out.
//
// docs/conventions.md explains them to somebody who instruments a loop in
// another language.
package semconv

// Instrument is the kind of OpenTelemetry data point that carries a metric.
type Instrument string

// The instruments that the conventions use.
const (
	Gauge         Instrument = "gauge"
	Counter       Instrument = "counter"
	UpDownCounter Instrument = "updowncounter"
	Histogram     Instrument = "histogram"
)

// Source says which part of the pipeline makes a metric.
type Source string

// The sources of metrics.
const (
	// SourceLoop is the process that runs the evolution.
	SourceLoop Source = "loop"
	// SourceDiversity is the diversity processor.
	SourceDiversity Source = "diversityprocessor"
	// SourceSandbox is the Docker orphan receiver.
	SourceSandbox Source = "dockerorphanreceiver"
)

// Metric is the convention for one metric.
type Metric struct {
	// Name is the OpenTelemetry name: dots, no unit, no _total.
	Name string
	// Unit is a UCUM unit, with {thing} for a count of things.
	Unit string
	// Instrument is the kind of point.
	Instrument Instrument
	// Description is one sentence, the same wherever the metric is made.
	Description string
	// Attributes lists the attributes that a point may carry. All
	// evolution.* points carry AttrRunID besides.
	Attributes []string
	// Source makes the metric.
	Source Source
}

// All returns the conventions of every evolution.* metric, in the order of the
// documentation. The slice is the caller's own.
func All() []Metric {
	return []Metric{
		IterationCurrent, IterationDuration,
		EvaluationDuration, EvaluationActive, EvaluationActiveAgeMax,
		ChampionIteration, ChampionFitness,
		PopulationSize, IndividualFitness, RunState,

		PopulationDiversity, PopulationEffectiveSize, PopulationIndividuals, PopulationFitness,

		SandboxContainers, SandboxOrphans, SandboxUnverifiable, SandboxExits, SandboxLifetime, SandboxReaps,
		SandboxCPUTime, SandboxMemoryUsage, SandboxMemoryUsageMax, SandboxNetworkIO, SandboxDiskIO,
		SandboxDockerUp,
	}
}
