package diversityprocessor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/measure"
)

// Config configures the processor.
type Config struct {
	// Measures are computed, the first being the headline. Default: all but
	// vendi_1 and mean_pairwise_euclidean.
	Measures []string `mapstructure:"measures"`
	// KeepIndividuals passes the individuals on, too. Default false: they would
	// swamp a metrics store.
	KeepIndividuals bool `mapstructure:"keep_individuals"`
	// MaxIndividuals bounds what is measured of an island: of more, a random sample
	// of so many. The rest is counted as `limit`. Default 20000.
	MaxIndividuals int `mapstructure:"max_individuals"`
	// MaxGenes bounds a genome; an individual with more is counted as `limit`.
	// Default 100000.
	MaxGenes int `mapstructure:"max_genes"`
	// MaxComparisons bounds what a measure may spend on looking at pairs of
	// individuals, in comparisons of two genes (or of two sets of 64 tokens),
	// which take about a nanosecond each. Beyond it pairs are sampled, at least
	// eight of each individual. Default 5000000.
	MaxComparisons int `mapstructure:"max_comparisons"`
}

func createDefaultConfig() component.Config {
	return &Config{Measures: measure.Default(), MaxIndividuals: 20_000, MaxGenes: 100_000, MaxComparisons: 5_000_000}
}

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Measures) == 0 {
		errs = append(errs, fmt.Errorf("\"measures\" must name at least one of %s", strings.Join(measure.All(), ", ")))
	}
	for i, name := range c.Measures {
		if !slices.Contains(measure.All(), name) {
			errs = append(errs, fmt.Errorf("\"measures\" must name some of %s, has %q", strings.Join(measure.All(), ", "), name))
		} else if slices.Contains(c.Measures[:i], name) {
			errs = append(errs, fmt.Errorf("\"measures\" must name each measure once, has %q twice", name))
		}
	}
	if c.MaxIndividuals < 2 {
		errs = append(errs, fmt.Errorf("\"max_individuals\" must be at least 2, is %d", c.MaxIndividuals))
	}
	if c.MaxGenes < 1 {
		errs = append(errs, fmt.Errorf("\"max_genes\" must be at least 1, is %d", c.MaxGenes))
	}
	if c.MaxComparisons < 0 {
		errs = append(errs, fmt.Errorf("\"max_comparisons\" must not be negative, is %d", c.MaxComparisons))
	}
	return errors.Join(errs...)
}
