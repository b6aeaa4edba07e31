package instrumentation

import (
	"cmp"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// environment is what the OTEL_* variables say that the SDK doesn't read itself.
type environment struct {
	disabled   bool // OTEL_SDK_DISABLED
	otlp       bool // OTEL_METRICS_EXPORTER, otlp by default
	prometheus string
	grpc       bool // OTEL_EXPORTER_OTLP_(METRICS_)PROTOCOL, http/protobuf by default
	// plaintext is whether TLS is off for want of any word about it: the
	// specification's default endpoint is http://localhost, the SDK's is https.
	plaintext bool
}

func readEnvironment(log *slog.Logger) environment {
	switch value := strings.ToLower(strings.TrimSpace(os.Getenv("OTEL_SDK_DISABLED"))); value {
	case "true":
		return environment{disabled: true}
	case "", "false":
	default:
		log.Warn("evotel: OTEL_SDK_DISABLED is neither true nor false; taken as false", "value", value)
	}
	var e environment
	for exporter := range strings.SplitSeq(cmp.Or(os.Getenv("OTEL_METRICS_EXPORTER"), "otlp"), ",") {
		switch strings.TrimSpace(exporter) {
		case "otlp":
			e.otlp = true
		case "prometheus":
			e.prometheus = net.JoinHostPort(
				cmp.Or(os.Getenv("OTEL_EXPORTER_PROMETHEUS_HOST"), "localhost"),
				cmp.Or(os.Getenv("OTEL_EXPORTER_PROMETHEUS_PORT"), "9464"))
		case "none":
		default:
			log.Warn("evotel: OTEL_METRICS_EXPORTER names an exporter that is not there; there are otlp, prometheus and none", "exporter", exporter)
		}
	}
	if e.otlp {
		e.readOTLP(log)
	}
	return e
}

func (e *environment) readOTLP(log *slog.Logger) {
	switch protocol := otlpVariable("PROTOCOL"); protocol {
	case "grpc":
		e.grpc = true
	case "", "http/protobuf":
	default:
		log.Warn("evotel: OTEL_EXPORTER_OTLP_PROTOCOL names a protocol that is not there; using http/protobuf. There is grpc besides", "protocol", protocol)
	}
	e.plaintext = true
	for _, variable := range []string{"ENDPOINT", "INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE"} {
		if otlpVariable(variable) != "" {
			e.plaintext = false
		}
	}
	if endpoint := otlpVariable("ENDPOINT"); endpoint != "" {
		if u, err := url.Parse(endpoint); err != nil || u.Host == "" {
			log.Warn("evotel: OTEL_EXPORTER_OTLP_ENDPOINT is no URL; write it as http://host:port or https://host:port")
		}
	}
	// Neither is followed: Prometheus keeps totals and drops deltas, and rules and
	// dashboards need the buckets of the conventions.
	for variable, only := range map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE":        "cumulative",
		"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "explicit_bucket_histogram",
	} {
		if value := os.Getenv(variable); value != "" && !strings.EqualFold(value, only) {
			log.Warn("evotel: "+variable+" is not followed, since Prometheus, the alert rules and the dashboards need "+only, "value", value)
		}
	}
}

// otlpVariable is the variable for metrics, or else the one for all signals.
func otlpVariable(suffix string) string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_METRICS_"+suffix), os.Getenv("OTEL_EXPORTER_OTLP_"+suffix))
}

// prometheusAddr is where to serve Prometheus, "" for nowhere.
func (e environment) prometheusAddr(option string) string {
	if e.disabled {
		return ""
	}
	addr := cmp.Or(e.prometheus, option)
	if strings.HasPrefix(addr, ":") {
		addr = "127.0.0.1" + addr
	}
	return addr
}

// fromEnvironment returns the duration in milliseconds that a variable holds, or
// else the fallback.
func fromEnvironment(log *slog.Logger, variable string, fallback time.Duration) time.Duration {
	text := strings.TrimSpace(os.Getenv(variable))
	if text == "" {
		return fallback
	}
	ms, err := strconv.Atoi(text)
	if err != nil || ms <= 0 {
		log.Warn("evotel: "+variable+" is not a number of milliseconds above 0; not followed", "value", text, "instead", fallback)
		return fallback
	}
	return time.Duration(ms) * time.Millisecond
}
