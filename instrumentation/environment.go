package instrumentation

import (
	"cmp"
	"log/slog"
	"net"
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
	if strings.EqualFold(strings.TrimSpace(os.Getenv("OTEL_SDK_DISABLED")), "true") {
		return environment{disabled: true}
	}
	var e environment
	for name := range strings.SplitSeq(cmp.Or(os.Getenv("OTEL_METRICS_EXPORTER"), "otlp"), ",") {
		switch strings.TrimSpace(name) {
		case "otlp":
			e.otlp = true
		case "prometheus":
			e.prometheus = net.JoinHostPort(
				cmp.Or(os.Getenv("OTEL_EXPORTER_PROMETHEUS_HOST"), "localhost"),
				cmp.Or(os.Getenv("OTEL_EXPORTER_PROMETHEUS_PORT"), "9464"))
		case "none":
		default:
			log.Warn("evotel: OTEL_METRICS_EXPORTER names an exporter that is not there; there are otlp, prometheus and none", "exporter", name)
		}
	}
	switch protocol := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf"); protocol {
	case "grpc":
		e.grpc = true
	case "http/protobuf":
	default:
		log.Warn("evotel: OTEL_EXPORTER_OTLP_PROTOCOL names a protocol that is not there; using http/protobuf. There is grpc besides", "protocol", protocol)
	}
	e.plaintext = true
	for _, name := range []string{"ENDPOINT", "INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE"} {
		if os.Getenv("OTEL_EXPORTER_OTLP_"+name) != "" || os.Getenv("OTEL_EXPORTER_OTLP_METRICS_"+name) != "" {
			e.plaintext = false
		}
	}
	return e
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
func fromEnvironment(name string, fallback time.Duration) time.Duration {
	if ms, err := strconv.Atoi(strings.TrimSpace(os.Getenv(name))); err == nil && ms > 0 {
		return time.Duration(ms) * time.Millisecond
	}
	return fallback
}
