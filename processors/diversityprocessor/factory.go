package diversityprocessor

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/evotel/evotel/processors/diversityprocessor/internal/metadata"
	"github.com/evotel/evotel/processors/diversityprocessor/internal/population"
)

// NewFactory returns the factory of the processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(metadata.Type, createDefaultConfig,
		processor.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("making the processor's own metrics: %w", err)
	}
	config := cfg.(*Config)
	d := &diversity{config: config, log: set.Logger, telemetry: telemetry, reader: population.NewReader(config.MaxIndividuals)}
	return processorhelper.NewMetrics(ctx, set, cfg, next, d.process,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}
