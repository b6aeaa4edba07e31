package collector

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

const queryTimeout = 5 * time.Second

// Prometheus is a real one, with the configuration and the rules that are
// shipped. It tells no Alertmanager.
type Prometheus struct{ api promv1.API }

// Prometheus starts a Prometheus that scrapes the Collector until the test ends.
func (c *Collector) Prometheus(t *testing.T) Prometheus {
	t.Helper()
	dir, addr := t.TempDir(), FreeAddr(t)
	config, err := os.ReadFile(filepath.Join(Root(), "collector-config", "prometheus.yaml"))
	require.NoError(t, err)
	text := string(config)
	for shipped, here := range map[string]string{
		"127.0.0.1:8889": c.Exporter,
		"127.0.0.1:8888": net.JoinHostPort("127.0.0.1", c.telemetryPort),
		"127.0.0.1:9093": FreeAddr(t),
		"../alertrules":  filepath.Join(Root(), "alertrules"),
	} {
		require.Contains(t, text, shipped, "collector-config/prometheus.yaml")
		text = strings.ReplaceAll(text, shipped, here)
	}
	file := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	var log strings.Builder
	cmd := exec.Command(filepath.Join(Root(), "bin", "prometheus"),
		"--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start(), "`make build` builds Prometheus")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text := log.String()
			t.Logf("Prometheus's last lines:\n%s", text[max(0, len(text)-3000):])
		}
	})
	require.Eventually(t, func() bool { return Get("http://"+addr+"/-/ready") != "" }, 30*time.Second, 50*time.Millisecond,
		"Prometheus does not become ready")
	client, err := promapi.NewClient(promapi.Config{Address: "http://" + addr})
	require.NoError(t, err)
	return Prometheus{promv1.NewAPI(client)}
}

// Ask returns the series that expr is now; there are none where Prometheus does
// not answer.
func (p Prometheus) Ask(expr string) Samples {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	value, _, err := p.api.Query(ctx, expr, time.Now())
	if err != nil {
		return nil
	}
	vector, _ := value.(model.Vector)
	return Samples(vector)
}

// Has returns whether expr has had any value within the last minute, as a
// dashboard would show it.
func (p Prometheus) Has(expr string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	now := time.Now()
	value, _, err := p.api.QueryRange(ctx, expr, promv1.Range{Start: now.Add(-time.Minute), End: now, Step: 2 * time.Second})
	if err != nil {
		return false
	}
	matrix, _ := value.(model.Matrix)
	return len(matrix) > 0
}

// Run selects the series of a metric that are of one run.
func Run(metric, runID string, labels ...string) string {
	return fmt.Sprintf("%s{%s}", metric, strings.Join(append(labels, fmt.Sprintf("evolution_run_id=%q", runID)), ","))
}
