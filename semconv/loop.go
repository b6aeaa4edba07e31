package semconv

// What a loop reports.
var (
	// IterationCurrent is the number of the last finished iteration, from 1.
	IterationCurrent = Metric{
		Name: "evolution.iteration.current", Unit: "{iteration}", Instrument: Gauge, Source: SourceLoop,
		Description: "Number of the last finished iteration, from 1.",
	}
	// IterationDuration times iterations. Its count counts them, so both
	// outcomes must exist from the start.
	IterationDuration = Metric{
		Name: "evolution.iteration.duration", Unit: "s", Instrument: Histogram, Source: SourceLoop,
		Description: "Duration of an iteration; the count counts iterations by outcome.",
		Attributes:  []string{AttrIterationOutcome, AttrErrorType},
	}
	// EvaluationDuration times the scoring of one candidate.
	EvaluationDuration = Metric{
		Name: "evolution.evaluation.duration", Unit: "s", Instrument: Histogram, Source: SourceLoop,
		Description: "Duration of the evaluation of one candidate.",
		Attributes:  []string{AttrEvaluationOutcome},
	}
	// EvaluationActive counts evaluations in flight.
	EvaluationActive = Metric{
		Name: "evolution.evaluation.active", Unit: "{evaluation}", Instrument: Gauge, Source: SourceLoop,
		Description: "Evaluations in flight.",
	}
	// EvaluationActiveAgeMax is the age of the oldest evaluation in flight; 0
	// when there is none.
	EvaluationActiveAgeMax = Metric{
		Name: "evolution.evaluation.active.age.max", Unit: "s", Instrument: Gauge, Source: SourceLoop,
		Description: "Age of the oldest evaluation in flight; 0 when there is none.",
	}
	// ChampionIteration is the iteration at which the champion last changed.
	ChampionIteration = Metric{
		Name: "evolution.champion.iteration", Unit: "{iteration}", Instrument: Gauge, Source: SourceLoop,
		Description: "Iteration at which the champion last changed.",
	}
	// ChampionFitness is the fitness of the best individual so far.
	ChampionFitness = Metric{
		Name: "evolution.champion.fitness", Unit: "{fitness}", Instrument: Gauge, Source: SourceLoop,
		Description: "Fitness of the champion, the best individual so far.",
	}
	// PopulationSize is the number of individuals that the loop keeps.
	PopulationSize = Metric{
		Name: "evolution.population.size", Unit: "{individual}", Instrument: Gauge, Source: SourceLoop,
		Description: "Individuals in the population.",
		Attributes:  []string{AttrIsland},
	}
	// IndividualFitness is a population snapshot, one point an individual. The
	// diversity processor consumes it; it never reaches Prometheus.
	IndividualFitness = Metric{
		Name: "evolution.individual.fitness", Unit: "{fitness}", Instrument: Gauge, Source: SourceLoop,
		Description: "Fitness of one individual of the current population; consumed by the diversity processor.",
		Attributes:  []string{AttrIsland, AttrIndividualID, AttrIndividualGenome},
	}
	// RunState is 1 for the state that the run is in and 0 for the others. The
	// last export says how the run ended.
	RunState = Metric{
		Name: "evolution.run.state", Unit: "1", Instrument: Gauge, Source: SourceLoop,
		Description: "1 for the state that the run is in, 0 for the others.",
		Attributes:  []string{AttrRunState},
	}
)

// Attributes of the metrics of a loop.
const (
	// AttrRunID names a run. Every evolution.* point carries it. It stays the
	// same when a run is resumed.
	AttrRunID = "evolution.run.id"
	// AttrIsland names a subpopulation, where there are several.
	AttrIsland = "evolution.island"
	// AttrIterationOutcome is OutcomeSuccess or OutcomeFailure.
	AttrIterationOutcome = "evolution.iteration.outcome"
	// AttrErrorType is OTel's error.type: a short, low-cardinality class of
	// error, on failures only.
	AttrErrorType = "error.type"
	// AttrEvaluationOutcome is OutcomeSuccess, OutcomeFailure or OutcomeTimeout.
	AttrEvaluationOutcome = "evolution.evaluation.outcome"
	// AttrIndividualID identifies an individual within its island.
	AttrIndividualID = "evolution.individual.id"
	// AttrIndividualGenome is the genome. Its OTLP type says which distance
	// applies: string identity, string[] set of tokens, int[] or bool[]
	// categorical, double[] numeric with genes scaled to [0,1].
	AttrIndividualGenome = "evolution.individual.genome"
	// AttrRunState is RunRunning, RunCompleted or RunFailed.
	AttrRunState = "evolution.run.state"
)

// Values of AttrIterationOutcome and AttrEvaluationOutcome.
const (
	OutcomeSuccess = "success"
	OutcomeFailure = "failure"
	OutcomeTimeout = "timeout"
)

// Values of AttrRunState.
const (
	RunRunning   = "running"
	RunCompleted = "completed"
	RunFailed    = "failed"
)
