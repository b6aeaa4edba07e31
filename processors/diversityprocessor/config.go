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
	// Measures are computed, the first being the headline. Default: all.
	Measures []string `mapstructure:"measures"`
	// KeepIndividuals passes the individuals on, too. Default false: they would
	// swamp a metrics store.
	KeepIndividuals bool `mapstructure:"keep_individuals"`
	// MaxIndividuals bounds what is measured of an island; the rest is counted
	// as `limit`. Default 20000.
	MaxIndividuals int `mapstructure:"max_individuals"`
	// MaxGenes bounds a genome; an individual with more is counted as `limit`.
	// Default 100000.
	MaxGenes int `mapstructure:"max_genes"`
}

func createDefaultConfig() component.Config {
	return &Config{Measures: measure.Names(), MaxIndividuals: 20_000, MaxGenes: 100_000}
}

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Measures) == 0 {
		errs = append(errs, fmt.Errorf("\"measures\" must name at least one of %s", strings.Join(measure.Names(), ", ")))
	}
	for i, name := range c.Measures {
		if !slices.Contains(measure.Names(), name) {
			errs = append(errs, fmt.Errorf("\"measures\" must name some of %s, has %q", strings.Join(measure.Names(), ", "), name))
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
	return errors.Join(errs...)
}
