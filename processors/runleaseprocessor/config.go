package runleaseprocessor

import (
	"errors"

	"go.opentelemetry.io/collector/component"
)

// Config configures the processor.
type Config struct {
	// Lease names the run lease extension that is told. Default run_lease.
	Lease component.ID `mapstructure:"lease"`
}

func createDefaultConfig() component.Config {
	return &Config{Lease: component.MustNewID("run_lease")}
}

// Validate reports what is wrong.
func (c *Config) Validate() error {
	if c.Lease == (component.ID{}) {
		return errors.New("\"lease\" must name a run_lease extension, is empty")
	}
	return nil
}
