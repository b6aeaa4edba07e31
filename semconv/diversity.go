package semconv

// What the diversity processor derives from a population snapshot.
var (
	// PopulationDiversity grows with diversity, in [0,1].
	PopulationDiversity = Metric{
		Name: "evolution.population.diversity", Unit: "1", Instrument: Gauge, Source: SourceDiversity,
		Description: "Diversity of the population by a measure, in [0,1].",
		Attributes:  []string{AttrIsland, AttrDiversityMeasure},
	}
	// PopulationEffectiveSize is an effective number, in [1, n].
	PopulationEffectiveSize = Metric{
		Name: "evolution.population.effective_size", Unit: "{individual}", Instrument: Gauge, Source: SourceDiversity,
		Description: "Effective number of different individuals by a measure, in [1, n].",
		Attributes:  []string{AttrIsland, AttrDiversityMeasure},
	}
	// PopulationIndividuals counts the individuals of a snapshot, including
	// those that could not be used and why.
	PopulationIndividuals = Metric{
		Name: "evolution.population.individuals", Unit: "{individual}", Instrument: Gauge, Source: SourceDiversity,
		Description: "Individuals of the snapshot by validity; only valid ones are measured.",
		Attributes:  []string{AttrIsland, AttrIndividualValidity},
	}
	// PopulationFitness is a statistic of the fitness of the valid individuals.
	PopulationFitness = Metric{
		Name: "evolution.population.fitness", Unit: "{fitness}", Instrument: Gauge, Source: SourceDiversity,
		Description: "Statistic of the fitness of the population.",
		Attributes:  []string{AttrIsland, AttrStatistic},
	}
)

// Attributes of the metrics of the diversity processor.
const (
	// AttrDiversityMeasure is one of the Measure values.
	AttrDiversityMeasure = "evolution.diversity.measure"
	// AttrIndividualValidity is one of the Validity values.
	AttrIndividualValidity = "evolution.individual.validity"
	// AttrStatistic is one of the Statistic values.
	AttrStatistic = "evolution.statistic"
)

// Values of AttrDiversityMeasure.
const (
	MeasureMeanPairwiseDistance  = "mean_pairwise_distance"
	MeasureUniqueRatio           = "unique_ratio"
	MeasureEntropy               = "entropy"
	MeasureHill1                 = "hill_1"
	MeasureVendi1                = "vendi_1"
	MeasureVendi2                = "vendi_2"
	MeasurePolymorphicLociRatio  = "polymorphic_loci_ratio"
	MeasureMeanPairwiseEuclidean = "mean_pairwise_euclidean"
)

// Values of AttrIndividualValidity.
const (
	ValidityValid       = "valid"
	ValidityNonFinite   = "non_finite"
	ValidityLength      = "length"
	ValidityEmpty       = "empty"
	ValidityMissing     = "missing"
	ValidityOutOfBounds = "out_of_bounds"
	ValidityLimit       = "limit"
)

// Values of AttrStatistic.
const (
	StatisticMin    = "min"
	StatisticMean   = "mean"
	StatisticMax    = "max"
	StatisticStddev = "stddev"
)
