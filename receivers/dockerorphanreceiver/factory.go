package dockerorphanreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver/internal/metadata"
)

// NewFactory returns the factory of the receiver.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(metadata.Type, createDefaultConfig,
		receiver.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	c := cfg.(*Config)
	w := newWatcher(c, set)
	s, err := scraper.NewMetrics(w.scrape, scraper.WithStart(w.start), scraper.WithShutdown(w.shutdown))
	if err != nil {
		return nil, err
	}
	// The watcher bounds its scans itself: the controller's timeout would bound
	// the consumers, too, and leave them none after a slow scan.
	controller := c.ControllerConfig
	controller.Timeout = 0
	return scraperhelper.NewMetricsController(&controller, set, next, scraperhelper.AddMetricsScraper(metadata.Type, s))
}
