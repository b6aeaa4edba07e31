package instrumentation_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	otlpmetrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/semconv"
)

// otlpServer stands in for a Collector. It answers with status and keeps the
// latest request it was sent.
type otlpServer struct {
	*httptest.Server
	status atomic.Int64

	mu       sync.Mutex
	latest   *collectormetrics.ExportMetricsServiceRequest
	requests int
	header   http.Header
	path     string
}

func newOTLPServer(t *testing.T) *otlpServer {
	s := &otlpServer{}
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	return s
}

func (s *otlpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	req := &collectormetrics.ExportMetricsServiceRequest{}
	if err := proto.Unmarshal(body, req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.header, s.path = r.Header, r.URL.Path
	if status := int(s.status.Load()); status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	s.latest = req
}

func (s *otlpServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// waitFor waits for n requests more.
func (s *otlpServer) waitFor(t *testing.T, n int) {
	t.Helper()
	want := s.count() + n
	require.Eventually(t, func() bool { return s.count() >= want }, 20*time.Second, 5*time.Millisecond)
}

// state is the state of the run in the latest request.
func (s *otlpServer) state(runID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rm := range s.latest.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if m.GetName() != semconv.RunState.Name {
					continue
				}
				for _, p := range m.GetGauge().GetDataPoints() {
					attrs := map[string]string{}
					for _, kv := range p.GetAttributes() {
						attrs[kv.GetKey()] = kv.GetValue().GetStringValue()
					}
					if attrs[semconv.AttrRunID] == runID && p.GetAsInt() == 1 {
						return attrs[semconv.AttrRunState]
					}
				}
			}
		}
	}
	return ""
}

func (s *otlpServer) resource() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	attrs := map[string]string{}
	for _, rm := range s.latest.GetResourceMetrics() {
		for _, kv := range rm.GetResource().GetAttributes() {
			attrs[kv.GetKey()] = kv.GetValue().GetStringValue()
		}
	}
	return attrs
}

func TestTheLastExportSaysHowARunEnded(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*instrumentation.Run)
		want string
	}{
		"completed":       {func(r *instrumentation.Run) { r.End(nil) }, semconv.RunCompleted},
		"failed":          {func(r *instrumentation.Run) { r.End(io.ErrUnexpectedEOF) }, semconv.RunFailed},
		"cancelled":       {func(r *instrumentation.Run) { r.End(context.Canceled) }, semconv.RunFailed},
		"nobody ended it": {func(*instrumentation.Run) {}, semconv.RunFailed},
	} {
		t.Run(name, func(t *testing.T) {
			server := newOTLPServer(t)
			// The process was told to stop: ctx is done when Shutdown is called.
			ctx, cancel := context.WithCancel(t.Context())
			m := instrumentation.Start(ctx, instrumentation.WithExportInterval(time.Hour))
			run := m.Run()
			cancel()
			test.end(run)
			m.Shutdown(ctx)
			assert.Equal(t, test.want, server.state(run.ID()))
			requests := server.count()
			m.Shutdown(ctx)
			assert.Equal(t, requests, server.count(), "a second Shutdown does nothing")
			run.Iteration().End(nil)
		})
	}
}

func TestAnOutageIsWarnedOfOnce(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		advice string
	}{
		"overloaded":   {http.StatusServiceUnavailable, "metrics can't be sent"},
		"unauthorised": {http.StatusUnauthorized, "OTEL_EXPORTER_OTLP_HEADERS"},
		"wrong server": {http.StatusNotFound, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"too large":    {http.StatusRequestEntityTooLarge, "max_request_body_size"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newOTLPServer(t)
			server.status.Store(int64(test.status))
			log := &recorder{}
			m := instrumentation.Start(t.Context(), instrumentation.WithExportInterval(10*time.Millisecond), instrumentation.WithLogger(log.logger()))
			defer m.Shutdown(t.Context())
			run := m.Run()
			server.waitFor(t, 5)
			log.waitFor(t, 1, "level=WARN")
			assert.Contains(t, log.String(), test.advice)
			server.status.Store(http.StatusOK)
			log.waitFor(t, 1, "being sent again")
			assert.Equal(t, semconv.RunRunning, server.state(run.ID()), "nothing was lost that matters")
		})
	}
}

func TestACollectorThatHangsIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	t.Setenv("OTEL_METRIC_EXPORT_TIMEOUT", "50")
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			log := &recorder{}
			m := instrumentation.Start(t.Context(), instrumentation.WithExportInterval(10*time.Millisecond), instrumentation.WithLogger(log.logger()), instrumentation.WithResourceMonitor(false))
			m.Run()
			log.waitFor(t, 1, "level=WARN")
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			m.Shutdown(ctx)
			log.waitFor(t, 1, "level=WARN")
			assert.Contains(t, log.String(), "too slow or out of reach")
		})
	}
}

type grpcCollector struct {
	collectormetrics.UnimplementedMetricsServiceServer
}

func (grpcCollector) Export(context.Context, *collectormetrics.ExportMetricsServiceRequest) (*collectormetrics.ExportMetricsServiceResponse, error) {
	return &collectormetrics.ExportMetricsServiceResponse{}, nil
}

func TestACollectorThatComesLater(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())

	for protocol, serve := range map[string]func(net.Listener) (stop func()){
		"http/protobuf": func(l net.Listener) func() {
			collector := &otlpServer{}
			collector.status.Store(http.StatusOK)
			server := &http.Server{Handler: collector, ReadHeaderTimeout: time.Second}
			go func() { _ = server.Serve(l) }()
			return func() { _ = server.Close() }
		},
		"grpc": func(l net.Listener) func() {
			server := grpc.NewServer()
			collectormetrics.RegisterMetricsServiceServer(server, grpcCollector{})
			go func() { _ = server.Serve(l) }()
			return server.Stop
		},
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr)
			log := &recorder{}
			m := instrumentation.Start(t.Context(), instrumentation.WithExportInterval(20*time.Millisecond), instrumentation.WithLogger(log.logger()))
			defer m.Shutdown(t.Context())
			log.waitFor(t, 1, "No Collector answers")
			l, err := net.Listen("tcp", addr)
			require.NoError(t, err)
			defer serve(l)()
			log.waitFor(t, 1, "being sent again")
		})
	}
}

func TestTheEnvironmentHasTheLastWord(t *testing.T) {
	server := newOTLPServer(t)
	t.Setenv("OTEL_SERVICE_NAME", "from-env")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=lab,service.instance.id=one")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20secret")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
	m := instrumentation.Start(t.Context(), instrumentation.WithServiceName("from-code"), instrumentation.WithExportInterval(time.Hour))
	server.waitFor(t, 2)
	m.Shutdown(t.Context())
	res := server.resource()
	assert.Equal(t, "from-env", res[semconv.AttrServiceName])
	assert.Equal(t, "one", res[semconv.AttrServiceInstanceID])
	assert.Equal(t, "lab", res["deployment.environment"])
	server.mu.Lock()
	defer server.mu.Unlock()
	assert.Equal(t, "Bearer secret", server.header.Get("Authorization"))
	assert.Equal(t, "/v1/metrics", server.path)
}

func TestEachProcessHasAnInstanceOfItsOwn(t *testing.T) {
	server := newOTLPServer(t)
	ids := map[string]bool{}
	for range 3 {
		m := instrumentation.Start(t.Context(), instrumentation.WithServiceName("loop"))
		m.Shutdown(t.Context())
		res := server.resource()
		assert.Equal(t, "loop", res[semconv.AttrServiceName])
		require.NotEmpty(t, res[semconv.AttrServiceInstanceID])
		ids[res[semconv.AttrServiceInstanceID]] = true
	}
	assert.Len(t, ids, 3)
}

func TestNothingIsSentWhenSwitchedOff(t *testing.T) {
	for _, env := range [][2]string{{"OTEL_SDK_DISABLED", "true"}, {"OTEL_METRICS_EXPORTER", "none"}} {
		t.Run(env[0], func(t *testing.T) {
			server := newOTLPServer(t)
			t.Setenv(env[0], env[1])
			m := instrumentation.Start(t.Context(), instrumentation.WithExportInterval(time.Millisecond))
			m.Run().Iteration().End(nil)
			m.Shutdown(t.Context())
			assert.Zero(t, server.count())
		})
	}
}

func TestWordsOfTheEnvironmentThatCannotBeFollowedAreWarnedOf(t *testing.T) {
	for variable, test := range map[string]struct{ value, advice string }{
		"OTEL_SDK_DISABLED":                                        {"yes", "neither true nor false"},
		"OTEL_METRICS_EXPORTER":                                    {"otlp,console", "there are otlp, prometheus and none"},
		"OTEL_METRIC_EXPORT_INTERVAL":                              {"10s", "number of milliseconds"},
		"OTEL_METRIC_EXPORT_TIMEOUT":                               {"0", "number of milliseconds"},
		"OTEL_EXPORTER_OTLP_PROTOCOL":                              {"http/json", "using http/protobuf"},
		"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL":                      {"http/json", "using http/protobuf"},
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT":                      {"localhost:4318", "http://host:port"},
		"OTEL_RESOURCE_ATTRIBUTES":                                 {"novalue", "check OTEL_RESOURCE_ATTRIBUTES"},
		"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE":        {"delta", "Prometheus"},
		"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": {"base2_exponential_bucket_histogram", "Prometheus"},
	} {
		t.Run(variable, func(t *testing.T) {
			newOTLPServer(t)
			t.Setenv(variable, test.value)
			log := &recorder{}
			m := instrumentation.Start(t.Context(), instrumentation.WithLogger(log.logger()), instrumentation.WithResourceMonitor(false), instrumentation.WithExportInterval(time.Hour))
			assert.Equal(t, 1, log.count("level=WARN"), "%s", log)
			assert.Contains(t, log.String(), test.advice)
			m.Shutdown(t.Context())
		})
	}
}

func TestAnExporterThatCannotBeMadeCostsNothing(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/does/not/exist")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1")
	m := instrumentation.Start(t.Context(), instrumentation.WithLogger((&recorder{}).logger()), instrumentation.WithResourceMonitor(false))
	m.Run().End(nil)
	m.Shutdown(t.Context())
}

func TestTotalsStayTotalsWhateverTheEnvironmentPrefers(t *testing.T) {
	server := newOTLPServer(t)
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
	m := instrumentation.Start(t.Context(), instrumentation.WithLogger((&recorder{}).logger()))
	m.Run()
	m.Shutdown(t.Context())
	server.mu.Lock()
	defer server.mu.Unlock()
	names := map[string]bool{}
	for _, scope := range server.latest.GetResourceMetrics()[0].GetScopeMetrics() {
		for _, metric := range scope.GetMetrics() {
			if sum, histogram := metric.GetSum(), metric.GetHistogram(); sum != nil || histogram != nil {
				names[metric.GetName()] = true
				temporality := max(sum.GetAggregationTemporality(), histogram.GetAggregationTemporality())
				assert.Equal(t, otlpmetrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, temporality, metric.GetName())
			}
		}
	}
	assert.True(t, names["go.memory.allocated"])
	assert.True(t, names[semconv.IterationDuration.Name])
}

// One string that is not UTF-8 would make OTLP refuse everything.
func TestStringsOfAnyKindAreSent(t *testing.T) {
	server := newOTLPServer(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=%ff,service.instance.id=one")
	log := &recorder{}
	m := instrumentation.Start(t.Context(), instrumentation.WithServiceName("loop\xff"), instrumentation.WithLogger(log.logger()))
	for _, id := range []string{"", "two\nlines", "\xff\xfe", "进化\xe8\xbf", strings.Repeat("进", 1000), "\x00"} {
		run := m.Run(instrumentation.WithRunID(id))
		run.Iteration().End(numberedError(1))
		run.Iteration().End(namedError(id))
		run.Population(id, []instrumentation.Individual{
			{ID: id, Genome: instrumentation.Identity(id)},
			{ID: id, Genome: instrumentation.Tokens([]string{"a", id})},
		})
		assert.NotEmpty(t, run.ID())
		assert.LessOrEqual(t, len(run.ID()), 256)
		defer func() { assert.Equal(t, semconv.RunFailed, server.state(run.ID())) }()
	}
	m.Shutdown(t.Context())
	assert.Empty(t, log.String())
	res := server.resource()
	assert.Equal(t, `loop\xff`, res[semconv.AttrServiceName])
	assert.Equal(t, `\xff`, res["deployment.environment"])
}

func get(t *testing.T, url string) string {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestThePrometheusEndpoint(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	addr := freeAddr(t)
	m := instrumentation.Start(t.Context(), instrumentation.WithPrometheusAddr(addr[strings.LastIndex(addr, ":"):]))
	run := m.Run(instrumentation.WithRunID("r"))
	run.Champion(3)
	run.Population("", individuals(5))
	run.Iteration().End(nil)
	var text string
	require.Eventually(t, func() bool {
		text = get(t, "http://"+addr+"/metrics")
		return strings.Contains(text, "process_memory_usage_bytes")
	}, 20*time.Second, 20*time.Millisecond)
	for _, want := range []string{
		`evolution_iteration_current{evolution_run_id="r",`,
		`evolution_iteration_duration_seconds_count{evolution_iteration_outcome="success",evolution_run_id="r",`,
		`evolution_iteration_duration_seconds_count{evolution_iteration_outcome="failure",evolution_run_id="r",`,
		`evolution_evaluation_duration_seconds_count{evolution_evaluation_outcome="timeout",`,
		`evolution_evaluation_active_age_max_seconds{`,
		`evolution_champion_iteration{`, `evolution_champion_fitness{`, `evolution_population_size{`,
		`evolution_run_state_ratio{evolution_run_id="r",evolution_run_state="running",`,
		`go_goroutine_count`, `system_memory_utilization_ratio{`, `process_cpu_time_seconds_total{cpu_mode="user",`,
		`target_info{`,
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "evolution_individual")
	m.Shutdown(t.Context())
	assert.Empty(t, get(t, "http://"+addr+"/metrics"))
}

func TestAnEndpointThatIsScrapedShowsTheEnd(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	addr := freeAddr(t)
	m := instrumentation.Start(t.Context(), instrumentation.WithPrometheusAddr(addr), instrumentation.WithResourceMonitor(false))
	run := m.Run()
	// A scraper that scrapes every 200 ms until nobody answers any more.
	scraped, seen := make(chan struct{}, 1000), ""
	var scraper sync.WaitGroup
	scraper.Go(func() {
		for answered := false; ; {
			text := get(t, "http://"+addr+"/metrics")
			if text == "" && answered {
				return
			}
			if text != "" {
				answered, seen = true, text
				scraped <- struct{}{}
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	<-scraped
	<-scraped
	run.End(nil)
	m.Shutdown(t.Context())
	scraper.Wait()
	assert.Regexp(t, `evolution_run_state_ratio\{[^}]*evolution_run_state="completed",[^}]*} 1`, seen)
}

// Waiting for a scrape must not take the time of the last export.
func TestTheCollectorIsToldBeforeAScraperIsWaitedFor(t *testing.T) {
	server := newOTLPServer(t)
	addr := freeAddr(t)
	m := instrumentation.Start(t.Context(), instrumentation.WithPrometheusAddr(addr), instrumentation.WithResourceMonitor(false), instrumentation.WithExportInterval(time.Hour))
	run := m.Run()
	require.Eventually(t, func() bool { return get(t, "http://"+addr+"/metrics") != "" }, 20*time.Second, 20*time.Millisecond)
	// The next scrape is due when Shutdown's time is over.
	time.Sleep(400 * time.Millisecond)
	require.NotEmpty(t, get(t, "http://"+addr+"/metrics"))
	deadline := time.Now().Add(200 * time.Millisecond)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	m.Shutdown(ctx)
	assert.False(t, time.Now().Before(deadline), "a scrape is waited for")
	assert.Equal(t, semconv.RunFailed, server.state(run.ID()))
}

func TestALastExportThatFailsIsWarnedOf(t *testing.T) {
	server := newOTLPServer(t)
	log := &recorder{}
	m := instrumentation.Start(t.Context(), instrumentation.WithExportInterval(10*time.Millisecond), instrumentation.WithLogger(log.logger()), instrumentation.WithResourceMonitor(false))
	server.waitFor(t, 2)
	server.status.Store(http.StatusServiceUnavailable)
	log.waitFor(t, 1, "metrics can't be sent")
	server.status.Store(http.StatusOK)
	log.waitFor(t, 1, "being sent again")
	server.status.Store(http.StatusServiceUnavailable) // within a minute: not warned of
	server.waitFor(t, 2)
	m.Shutdown(t.Context())
	log.waitFor(t, 2, "level=WARN")
	log.waitFor(t, 1, "the last export has failed")
}

func TestShutdownMayBeCalledFromEverywhere(t *testing.T) {
	server := newOTLPServer(t)
	m := instrumentation.Start(t.Context(), instrumentation.WithExportInterval(time.Hour))
	run := m.Run()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			m.Shutdown(t.Context())
			assert.Equal(t, 1, server.count(), "has exported when it returns")
		})
	}
	all.Wait()
	assert.Equal(t, semconv.RunFailed, server.state(run.ID()))
	m.Run().Population("", individuals(3))
}

func TestAPortThatIsTakenIsTriedAgain(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
	taken, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	t.Setenv("OTEL_EXPORTER_PROMETHEUS_PORT", port)
	log := &recorder{}
	m := instrumentation.Start(t.Context(), instrumentation.WithLogger(log.logger()), instrumentation.WithResourceMonitor(false))
	defer m.Shutdown(t.Context())
	m.Run()
	log.waitFor(t, 1, "level=WARN")
	require.NoError(t, taken.Close())
	log.waitFor(t, 1, "is there now")
	assert.Contains(t, get(t, "http://localhost:"+port+"/metrics"), "evolution_run_state_ratio")
	assert.Equal(t, 1, log.count("level=WARN"))
}
