package instrumentation

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	// exportTimeout bounds an export, unless OTEL_METRIC_EXPORT_TIMEOUT says
	// otherwise: a Collector that hangs is given up soon, so that data flow
	// again within seconds of its return.
	exportTimeout = 5 * time.Second
	// reconnectDelay bounds gRPC's backoff, 2 minutes by default.
	reconnectDelay = 3 * time.Second
	// maxRequestSize is what the Collector's configurations accept.
	maxRequestSize = 128 << 20
	// warnEvery keeps a connection that comes and goes from filling the log.
	warnEvery = time.Minute
)

// newOTLPReader returns nil, after a warning, if the OTEL_* variables can't be
// followed.
//
// The exporters' own retries are off: totals and gauges make the next export as
// good as a retry, and a retry's backoff would only delay it.
func newOTLPReader(ctx context.Context, env environment, c config, producer sdkmetric.Producer) sdkmetric.Reader {
	var exp sdkmetric.Exporter
	var err error
	if env.grpc {
		options := []otlpmetricgrpc.Option{
			otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: false}),
			otlpmetricgrpc.WithMaxRequestSize(maxRequestSize),
			otlpmetricgrpc.WithDialOption(grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: time.Second, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectDelay},
				MinConnectTimeout: reconnectDelay,
			})),
		}
		if env.plaintext {
			options = append(options, otlpmetricgrpc.WithInsecure())
		}
		exp, err = otlpmetricgrpc.New(ctx, options...)
	} else {
		options := []otlpmetrichttp.Option{
			otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}),
			otlpmetrichttp.WithMaxRequestSize(maxRequestSize),
		}
		if env.plaintext {
			options = append(options, otlpmetrichttp.WithInsecure())
		}
		exp, err = otlpmetrichttp.New(ctx, options...)
	}
	if err != nil {
		c.log.Warn("evotel: no metrics will be sent over OTLP; check the OTEL_EXPORTER_OTLP_* variables", "error", err)
		return nil
	}
	return sdkmetric.NewPeriodicReader(&quietExporter{Exporter: exp, log: c.log},
		sdkmetric.WithInterval(fromEnvironment(c.log, "OTEL_METRIC_EXPORT_INTERVAL", c.exportInterval)),
		sdkmetric.WithTimeout(fromEnvironment(c.log, "OTEL_METRIC_EXPORT_TIMEOUT", exportTimeout)),
		sdkmetric.WithProducer(producer),
	)
}

// quietExporter warns once of an outage, and says when it is over, instead of
// reporting every failed export to OpenTelemetry's error handler.
type quietExporter struct {
	sdkmetric.Exporter
	log *slog.Logger

	mu      sync.Mutex
	failed  error     // by the last export
	since   time.Time // of the outage
	told    bool      // of this outage
	warning time.Time // the last one
}

// Temporality is what Prometheus keeps, whatever
// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE says: it would drop deltas.
func (*quietExporter) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}

// Aggregation is that of the conventions.
func (*quietExporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

func (e *quietExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	err := e.Exporter.Export(ctx, rm)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil // by Shutdown, which exports once more
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.failed == nil {
		e.since = now
	}
	e.failed = err
	switch {
	case err == nil && e.told:
		e.told = false
		e.log.Info("evotel: metrics are being sent again", "outage", now.Sub(e.since).Round(time.Second))
	case err != nil && !e.told && now.Sub(e.warning) >= warnEvery:
		e.told, e.warning = true, now
		e.log.Warn("evotel: metrics can't be sent; the loop goes on, and so do the attempts. "+advice(err), "error", err)
	}
	return nil
}

// Shutdown returns why the last export failed, if nothing has been said of it.
func (e *quietExporter) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := errors.Join(e.failed, e.Exporter.Shutdown(ctx))
	if e.told {
		return nil
	}
	return err
}

// advice says what to do about an export that failed. The text is all there is to
// go by: the exporters' errors have no types in common. Bare numbers would match
// ports.
func advice(err error) string {
	s := strings.ToLower(err.Error())
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(s, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("401 unauthorized", "403 forbidden", "unauthenticated", "permissiondenied"):
		return "The Collector refuses the credentials: set OTEL_EXPORTER_OTLP_HEADERS, for example to Authorization=Bearer%20TOKEN"
	case has("request body too large", "message too large", "413 request", "larger than max", "resourceexhausted"):
		return "The request is too large: raise max_recv_msg_size_mib and max_request_body_size of the Collector's OTLP receiver, or hand over smaller populations"
	case has("404 not found", "unimplemented", "malformed http"):
		return "Something else than OTLP answers there: check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL (http/protobuf is port 4318, grpc 4317)"
	case has("certificate", "tls", "http response to https"):
		return "TLS has failed: check whether OTEL_EXPORTER_OTLP_ENDPOINT should begin with http:// or https://, and OTEL_EXPORTER_OTLP_CERTIFICATE"
	case has("data refused due to high memory usage"):
		return "The Collector refuses data for want of memory: give it more (limit_mib of its memory_limiter), or hand over smaller populations"
	case has("no host in request url", "missing address"):
		return "OTEL_EXPORTER_OTLP_ENDPOINT is no URL: write it as http://host:port or https://host:port"
	case has("refused", "no such host", "unavailable"):
		return "No Collector answers: start one, or set OTEL_EXPORTER_OTLP_ENDPOINT; OTEL_METRICS_EXPORTER=none sends nothing"
	case has("deadline", "timeout", "context canceled"):
		return "The Collector is too slow or out of reach: check OTEL_EXPORTER_OTLP_ENDPOINT and the Collector's load"
	default:
		return "Check the Collector and the OTEL_EXPORTER_OTLP_* variables"
	}
}
