package instrumentation

import (
	"log/slog"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Option is an option of Start.
type Option func(*config)

type config struct {
	serviceName     string
	prometheusAddr  string
	log             *slog.Logger
	exportInterval  time.Duration
	readers         []func(sdkmetric.Producer) sdkmetric.Reader
	resourceMonitor bool
	populationLimit int64
}

func newConfig(opts []Option) config {
	c := config{
		log:             slog.Default(),
		exportInterval:  2 * time.Second,
		resourceMonitor: true,
		populationLimit: 2 << 20,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	return c
}

// WithServiceName names the loop where neither OTEL_SERVICE_NAME nor
// OTEL_RESOURCE_ATTRIBUTES does.
func WithServiceName(name string) Option {
	return func(c *config) { c.serviceName = name }
}

// WithPrometheusAddr makes the metrics available to Prometheus at
// http://addr/metrics too, "host:port". Without a host it is 127.0.0.1; say
// 0.0.0.0 to be reached from other machines. Off by default.
// OTEL_METRICS_EXPORTER=otlp,prometheus does the same from outside.
func WithPrometheusAddr(addr string) Option {
	return func(c *config) { c.prometheusAddr = addr }
}

// WithLogger says where warnings go, slog.Default() by default.
func WithLogger(log *slog.Logger) Option {
	return func(c *config) {
		if log != nil {
			c.log = log
		}
	}
}

// WithExportInterval is the time between exports where
// OTEL_METRIC_EXPORT_INTERVAL doesn't say: 2 s by default, not OpenTelemetry's
// 60 s, with which an alert would come a minute late.
func WithExportInterval(d time.Duration) Option {
	return func(c *config) {
		if d > 0 {
			c.exportInterval = d
		}
	}
}

// WithReader adds a reader of one's own, which must read the producer that it is
// given (metric.WithProducer). To see what is sent, say:
//
//	WithReader(func(p metric.Producer) metric.Reader {
//		exporter, _ := stdoutmetric.New()
//		return metric.NewPeriodicReader(exporter, metric.WithProducer(p))
//	})
func WithReader(newReader func(sdkmetric.Producer) sdkmetric.Reader) Option {
	return func(c *config) { c.readers = append(c.readers, newReader) }
}

// WithResourceMonitor says whether the use of the process, its container and its
// host is reported; it is by default.
func WithResourceMonitor(on bool) Option {
	return func(c *config) { c.resourceMonitor = on }
}

// WithPopulationLimit bounds the populations that are kept, over all runs and
// islands: the number of individuals times 16, plus the number of their genomes'
// values (genes, tokens), of which a string counts once more for every 8 bytes.
// The default, 2 097 152, holds 10 000 individuals of 190 genes. A collection
// takes about 120 bytes a value for a moment. A population beyond it is reported
// by its size only, which the Collector reports as incomplete. Raise the
// Collector's limits of request sizes with it.
func WithPopulationLimit(values int) Option {
	return func(c *config) {
		if values > 0 {
			c.populationLimit = int64(values)
		}
	}
}
