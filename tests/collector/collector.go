// Package collector runs the real Collector, with the configuration that is
// shipped, on free ports, for tests.
package collector

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// Collector is a Collector with addresses of its own, that can be stopped and
// started again at the same addresses.
type Collector struct {
	// OTLPHTTP and OTLPGRPC are where loops send to, Exporter what Prometheus
	// scrapes, each host:port.
	OTLPHTTP, OTLPGRPC, Exporter string

	args, env     []string
	health        string
	telemetryPort string
	log           string
	cmd           *exec.Cmd
}

// Root is the repository's.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// New prepares a Collector without starting it. Each overlay is a configuration
// file that is merged into the one that is shipped. The environment variables
// EVOTELCOL and EVOTELCOL_CONFIG put another binary or configuration in place.
func New(t *testing.T, overlays ...string) *Collector {
	c := &Collector{
		OTLPHTTP: FreeAddr(t), OTLPGRPC: FreeAddr(t), Exporter: FreeAddr(t), health: FreeAddr(t),
		log: filepath.Join(t.TempDir(), "collector.log"),
	}
	c.Configure(overlays...)
	var err error
	_, c.telemetryPort, err = net.SplitHostPort(FreeAddr(t))
	require.NoError(t, err)
	c.env = append(os.Environ(),
		"EVOTEL_OTLP_HTTP_ENDPOINT="+c.OTLPHTTP, "EVOTEL_OTLP_GRPC_ENDPOINT="+c.OTLPGRPC,
		"EVOTEL_PROMETHEUS_ENDPOINT="+c.Exporter, "EVOTEL_HEALTH_ENDPOINT="+c.health,
		"EVOTEL_TELEMETRY_PORT="+c.telemetryPort, "EVOTEL_CLEANUP_MODE=off")
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			text := c.Log()
			t.Logf("the Collector's last lines:\n%s", text[max(0, len(text)-3000):])
		}
	})
	return c
}

// Configure says which overlays the Collector is started with the next time.
func (c *Collector) Configure(overlays ...string) {
	config := filepath.Join(Root(), "collector-config", "collector.yaml")
	if other := os.Getenv("EVOTELCOL_CONFIG"); other != "" {
		config = other
	}
	c.args = []string{"--config", config}
	for _, overlay := range overlays {
		c.args = append(c.args, "--config", overlay)
	}
}

// Start starts the Collector and waits until it is ready.
func (c *Collector) Start(t *testing.T) {
	t.Helper()
	binary := filepath.Join(Root(), "bin", "evotelcol")
	if other := os.Getenv("EVOTELCOL"); other != "" {
		binary = other
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer func() { _ = log.Close() }()
	c.cmd = exec.Command(binary, c.args...)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.env, log, log
	require.NoError(t, c.cmd.Start(), "`make build` builds the Collector")
	require.Eventually(t, func() bool { return Get("http://"+c.health+"/status") != "" }, 30*time.Second, 50*time.Millisecond,
		"the Collector does not become ready")
}

// Kill ends the Collector at once, if it runs.
func (c *Collector) Kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	c.cmd = nil
}

// Pause makes the Collector hang.
func (c *Collector) Pause(t *testing.T) { require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP)) }

// Resume lets it go on.
func (c *Collector) Resume(t *testing.T) { require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT)) }

// Log is what the Collector has logged.
func (c *Collector) Log() string {
	text, _ := os.ReadFile(c.log)
	return string(text)
}

// Samples are the samples that Prometheus would scrape of the Collector now.
func (c *Collector) Samples() Samples { return Scrape("http://" + c.Exporter + "/metrics") }

// Samples are samples of Prometheus.
type Samples []*model.Sample

// Scrape reads the samples at url; there are none where nobody answers.
func Scrape(url string) Samples {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewBufferString(Get(url)))
	if err != nil {
		return nil
	}
	var out Samples
	for _, family := range families {
		samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{Timestamp: model.Now()}, family)
		if err != nil {
			return nil
		}
		out = append(out, samples...)
	}
	return out
}

// Select keeps the samples of a name that have all of the labels, given as name
// and value in turn.
func (s Samples) Select(name string, labels ...string) Samples {
	var out Samples
sample:
	for _, sample := range s {
		if string(sample.Metric[model.MetricNameLabel]) != name {
			continue
		}
		for i := 0; i+1 < len(labels); i += 2 {
			if string(sample.Metric[model.LabelName(labels[i])]) != labels[i+1] {
				continue sample
			}
		}
		out = append(out, sample)
	}
	return out
}

// Value is the value of the one sample, or -1 if there is not exactly one.
func (s Samples) Value() float64 {
	if len(s) != 1 {
		return -1
	}
	return float64(s[0].Value)
}

// Get returns the body at url, or "" if there is none.
func Get(url string) string {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// FreeAddr is an address on loopback on which nobody listens now.
func FreeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}
