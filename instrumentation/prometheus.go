package instrumentation

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/evotel/evotel/semconv"
)

// listenAgain is how long after a failure the endpoint's port is tried again.
const listenAgain = 2 * time.Second

// endpoint serves the metrics to Prometheus. A port that is taken is tried again
// until it is free.
type endpoint struct {
	addr   string
	log    *slog.Logger
	reader sdkmetric.Reader
	server *http.Server
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	scraped   time.Time        // last time
	intervals [4]time.Duration // before the last scrapes, in any order
	scrapes   int
	next      chan struct{} // closed by the next scrape
}

func newEndpoint(addr string, log *slog.Logger, producer sdkmetric.Producer) *endpoint {
	registry := prometheus.NewRegistry()
	reader, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry),
		otelprometheus.WithProducer(withoutIndividuals{producer}),
		// The names that the Collector's exporter gives, whatever the process
		// has set globally.
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		log.Warn("evotel: there is no Prometheus endpoint", "error", err)
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &endpoint{addr: addr, log: log, reader: reader, cancel: cancel, done: make(chan struct{}), next: make(chan struct{})}
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, req *http.Request) {
		metrics.ServeHTTP(w, req)
		e.noteScrape()
	})
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go e.serve(ctx)
	return e
}

func (e *endpoint) serve(ctx context.Context) {
	defer close(e.done)
	warned := false
	for ctx.Err() == nil {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", e.addr)
		if err == nil {
			if warned {
				e.log.Info("evotel: the Prometheus endpoint is there now", "address", e.addr)
				warned = false
			}
			if err = e.server.Serve(listener); errors.Is(err, http.ErrServerClosed) {
				return
			}
		}
		if !warned && ctx.Err() == nil {
			warned = true
			e.log.Warn("evotel: the Prometheus endpoint can't be served; it is tried again. Choose another address, or stop what listens there", "address", e.addr, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

func (e *endpoint) noteScrape() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if !e.scraped.IsZero() {
		e.intervals[e.scrapes%len(e.intervals)] = now.Sub(e.scraped)
		e.scrapes++
	}
	e.scraped = now
	close(e.next)
	e.next = make(chan struct{})
}

// lastScrape waits for the next scrape, as long as one can be expected. There may
// be several scrapers; the longest interval is what one of them keeps to.
func (e *endpoint) lastScrape(ctx context.Context) {
	e.mu.Lock()
	interval := slices.Max(e.intervals[:])
	next, due := e.next, e.scraped.Add(interval+interval/4)
	expected := interval > 0 && time.Now().Before(due)
	e.mu.Unlock()
	if !expected {
		return
	}
	select {
	case <-next:
	case <-ctx.Done():
	case <-time.After(time.Until(due)):
	}
}

func (e *endpoint) stop(ctx context.Context) {
	e.cancel()
	if err := e.server.Shutdown(ctx); err != nil {
		_ = e.server.Close() // what is still open then is a scrape that hangs
	}
	<-e.done
}

// withoutIndividuals leaves individuals out, which only the Collector's
// diversity processor can use: each would be several series of its own.
type withoutIndividuals struct{ sdkmetric.Producer }

func (p withoutIndividuals) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	scopes, err := p.Producer.Produce(ctx)
	for i := range scopes {
		scopes[i].Metrics = slices.DeleteFunc(scopes[i].Metrics, func(m metricdata.Metrics) bool {
			return m.Name == semconv.IndividualFitness.Name
		})
	}
	return scopes, err
}
