package runleaseprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/evotel/evotel/processors/runleaseprocessor/internal/metadata"
)

// NewFactory returns the factory of the processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(metadata.Type, createDefaultConfig,
		processor.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	l := &listener{id: cfg.(*Config).Lease}
	return processorhelper.NewMetrics(ctx, set, cfg, next, l.listen,
		processorhelper.WithStart(l.start),
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}))
}
