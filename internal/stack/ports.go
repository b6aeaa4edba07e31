package stack

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// host is where every server listens: nothing is reachable from elsewhere.
const host = "127.0.0.1"

// The ports that the files in collector-config/ are written with.
const (
	portOTLPGRPC     = 4317
	portOTLPHTTP     = 4318
	portExporter     = 8889
	portTelemetry    = 8888
	portHealth       = 13133
	portPrometheus   = 9090
	portAlertmanager = 9093
	portWebhook      = 9095
)

// Addresses of the servers, each host:port on loopback.
type Addresses struct {
	OTLPGRPC, OTLPHTTP, Exporter, Telemetry, Health, Prometheus, Alertmanager, Webhook string
}

// addresses gives the default addresses with every port shifted by offset.
func addresses(offset int) Addresses {
	at := func(port int) string { return net.JoinHostPort(host, strconv.Itoa(port+offset)) }
	return Addresses{
		OTLPGRPC: at(portOTLPGRPC), OTLPHTTP: at(portOTLPHTTP),
		Exporter: at(portExporter), Telemetry: at(portTelemetry), Health: at(portHealth),
		Prometheus: at(portPrometheus), Alertmanager: at(portAlertmanager), Webhook: at(portWebhook),
	}
}

// checkOffset keeps every port within what there is.
func checkOffset(offset int) error {
	const most = 65_535 - portHealth // the highest of them
	if offset < 0 || offset > most {
		return fmt.Errorf("--port-offset %d: expected 0 to %d", offset, most)
	}
	return nil
}

// checkFree reports every address that something else listens on already.
func (a Addresses) checkFree() error {
	var taken []error
	for _, server := range []struct{ name, address string }{
		{"OTLP over gRPC", a.OTLPGRPC},
		{"OTLP over HTTP", a.OTLPHTTP},
		{"the Collector's Prometheus endpoint", a.Exporter},
		{"the Collector's own metrics", a.Telemetry},
		{"the Collector's health", a.Health},
		{"Prometheus", a.Prometheus},
		{"Alertmanager", a.Alertmanager},
		{"the webhook", a.Webhook},
	} {
		listener, err := net.Listen("tcp", server.address)
		if err != nil {
			// The address is in the error too.
			if operation := (*net.OpError)(nil); errors.As(err, &operation) {
				err = operation.Err
			}
			taken = append(taken, fmt.Errorf("%s, wanted for %s: %w", server.address, server.name, err))
			continue
		}
		_ = listener.Close()
	}
	if len(taken) > 0 {
		taken = append(taken, errors.New("stop what listens there (`ss -ltnp` shows it), or shift all ports: "+
			"`--port-offset 100`, with make: `PORT_OFFSET=100`"))
	}
	return errors.Join(taken...)
}
