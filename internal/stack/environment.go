package stack

import (
	"fmt"
	"os"
	"time"
)

// checkEnvironment finds what the Collector would take for something else: it
// reads a duration without a unit as nanoseconds.
func checkEnvironment() error {
	const name = "EVOTEL_METRIC_EXPIRATION"
	text := os.Getenv(name)
	if text == "" {
		return nil
	}
	if d, err := time.ParseDuration(text); err != nil || d < time.Second {
		return fmt.Errorf("%s is %q: expected a duration of at least 1s with its unit, as in 30s", name, text)
	}
	return nil
}
