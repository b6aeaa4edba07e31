package runleaseextension

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

// Config configures the extension.
type Config struct {
	// SilentAfter is for how long others must be heard without a word from a
	// run before it is silent. It must be longer than the longest silence of a
	// loop that lives. At least 1s. Default 1h.
	SilentAfter time.Duration `mapstructure:"silent_after"`
	// EndedAfter is how long the end of a run must stand before it counts. It
	// must be longer than the export interval of whoever may resume the run.
	// Default 2m.
	EndedAfter time.Duration `mapstructure:"ended_after"`
	// Retention is how long a run that is not heard any more is remembered.
	// Longer than SilentAfter and EndedAfter. Default 168h.
	Retention time.Duration `mapstructure:"retention"`
	// MaxRuns bounds how many runs are remembered, and four times as many
	// sources of telemetry. From 1 to 100000. Default 1000.
	MaxRuns int `mapstructure:"max_runs"`
	// Storage names a storage extension that keeps what is known over a restart
	// of the Collector. Default: none, it is kept in memory only.
	Storage *component.ID `mapstructure:"storage"`
}

func createDefaultConfig() component.Config {
	return &Config{SilentAfter: time.Hour, EndedAfter: 2 * time.Minute, Retention: 7 * 24 * time.Hour, MaxRuns: 1000}
}

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.SilentAfter < time.Second {
		bad("\"silent_after\" must be at least 1s, is %v", c.SilentAfter)
	}
	if c.EndedAfter < 0 {
		bad("\"ended_after\" must not be negative, is %v", c.EndedAfter)
	}
	if c.Retention <= max(c.SilentAfter, c.EndedAfter) {
		bad("\"retention\" must be longer than \"silent_after\" and \"ended_after\", is %v", c.Retention)
	}
	if c.MaxRuns < 1 || c.MaxRuns > 100_000 {
		bad("\"max_runs\" must be from 1 to 100000, is %d", c.MaxRuns)
	}
	return errors.Join(errs...)
}
