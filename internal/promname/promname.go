// Package promname says what the conventions are called in Prometheus, once the
// Collector's prometheus exporter has passed them on.
package promname

import (
	"strings"

	"github.com/prometheus/otlptranslator"

	"github.com/evotel/evotel/semconv"
)

// Of returns the name of a metric. A histogram's is that of its count.
func Of(m semconv.Metric) string {
	kinds := map[semconv.Instrument]otlptranslator.MetricType{
		semconv.Gauge:         otlptranslator.MetricTypeGauge,
		semconv.UpDownCounter: otlptranslator.MetricTypeNonMonotonicCounter,
		semconv.Counter:       otlptranslator.MetricTypeMonotonicCounter,
		semconv.Histogram:     otlptranslator.MetricTypeHistogram,
	}
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	// It fails for names without a letter, which conventions don't have.
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kinds[m.Instrument]})
	if err != nil {
		return ""
	}
	if m.Instrument == semconv.Histogram {
		name += "_count"
	}
	return name
}

// Label returns the name of the label that an attribute becomes.
func Label(attribute string) string { return strings.ReplaceAll(attribute, ".", "_") }
