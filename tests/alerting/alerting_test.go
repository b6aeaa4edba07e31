// Package alerting_test sends alerts through the real Alertmanager with the shipped
// configuration: what is told together, and what is not told at all.
package alerting_test

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/internal/stack"
)

const root = "../.."

// labels of an alert. Alertmanager knows nothing else of it.
type labels = map[string]string

// notification is what the webhook gets.
type notification struct {
	GroupLabels labels
	Alerts      []struct {
		Status string
		Labels labels
	}
}

// inbox is the webhook.
type inbox struct {
	mu       sync.Mutex
	received []notification
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n notification
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.received = append(i.received, n)
}

// told returns the names of the alerts that were told of a run, each once.
func (i *inbox) told(run string) map[string]bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	names := map[string]bool{}
	for _, n := range i.received {
		if n.GroupLabels["evolution_run_id"] != run {
			continue
		}
		for _, alert := range n.Alerts {
			names[alert.Labels["alertname"]] = true
		}
	}
	return names
}

// alertmanager is one that runs with the shipped configuration, its webhook being
// another one.
type alertmanager struct {
	t   *testing.T
	url string
}

func start(t *testing.T, webhook string) alertmanager {
	t.Helper()
	program, err := filepath.Abs(root + "/bin/alertmanager")
	require.NoError(t, err)
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("Alertmanager is not built: make build")
		}
		t.Skip("Alertmanager is not built: make build")
	}
	shipped, err := os.ReadFile(root + "/collector-config/alertmanager.yaml")
	require.NoError(t, err)
	const ours = "http://127.0.0.1:9095/"
	require.Contains(t, string(shipped), ours)
	interval := regexp.MustCompile(`group_interval: (\S+)`).FindStringSubmatch(string(shipped))
	require.NotNil(t, interval)
	pause, err := time.ParseDuration(interval[1])
	require.NoError(t, err)
	// Prometheus tells of an alert again after --rules.alert.resend-delay, 1 min,
	// at the next evaluation.
	require.Greater(t, pause, time.Minute+5*time.Second, "alerts that have ended would be notified again and again")
	quick := strings.NewReplacer(ours, webhook, interval[0], "group_interval: 2s")
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yaml")
	require.NoError(t, os.WriteFile(config, []byte(quick.Replace(string(shipped))), 0o600))

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	process, err := stack.StartProcess("Alertmanager", program, []string{
		"--config.file=" + config, "--storage.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + address, "--cluster.listen-address=",
	}, nil, dir)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, process.Stop()) })

	a := alertmanager{t, "http://" + address}
	require.Eventually(t, func() bool {
		response, err := http.Get(a.url + "/-/ready")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "Alertmanager is not ready")
	return a
}

// fire tells Alertmanager of alerts, as Prometheus does.
func (a alertmanager) fire(alerts ...labels) {
	a.t.Helper()
	type alert struct {
		Labels labels `json:"labels"`
	}
	var body []alert
	for _, l := range alerts {
		body = append(body, alert{l})
	}
	data, err := json.Marshal(body)
	require.NoError(a.t, err)
	response, err := http.Post(a.url+"/api/v2/alerts", "application/json", bytes.NewReader(data))
	require.NoError(a.t, err)
	require.NoError(a.t, response.Body.Close())
	require.Equal(a.t, http.StatusOK, response.StatusCode)
}

// suppressed returns the alerts that are inhibited now, as "alertname run".
func (a alertmanager) suppressed() map[string]bool {
	a.t.Helper()
	response, err := http.Get(a.url + "/api/v2/alerts")
	require.NoError(a.t, err)
	defer func() { _ = response.Body.Close() }()
	var alerts []struct {
		Labels labels
		Status struct{ InhibitedBy []string }
	}
	require.NoError(a.t, json.NewDecoder(response.Body).Decode(&alerts))
	names := map[string]bool{}
	for _, alert := range alerts {
		if len(alert.Status.InhibitedBy) > 0 {
			names[alert.Labels["alertname"]+" "+alert.Labels["evolution_run_id"]] = true
		}
	}
	return names
}

func ofRun(name, run string) labels {
	return labels{"alertname": name, "job": "loop", "evolution_run_id": run}
}

func ofHost(name string) labels {
	return labels{"alertname": name, "job": "evotel-host", "instance": "h"}
}

func TestCausesAreToldAndSymptomsAreNotOneNotificationForEachRun(t *testing.T) {
	var box inbox
	webhook := httptest.NewServer(&box)
	t.Cleanup(webhook.Close)
	a := start(t, webhook.URL)

	told := func(run string, expected ...string) {
		t.Helper()
		names := map[string]bool{}
		for _, name := range expected {
			names[name] = true
		}
		// group_wait is 1 s and group_interval, here, 2 s.
		assert.EventuallyWithT(t, func(c *assert.CollectT) { assert.Equal(c, names, box.told(run)) },
			20*time.Second, 100*time.Millisecond, "alerts told of run %q", run)
	}

	// The causes, and beside them what has nothing to do with them.
	a.fire(
		ofRun("EvolutionTelemetryLost", "lost"),
		ofRun("EvolutionSuccessRateLow", "failing"), ofRun("EvolutionDiversityCollapse", "failing"),
		ofRun("EvolutionChampionStale", "stale"), ofRun("EvolutionDiversityCollapse", "stale"),
		ofHost("EvolutionDockerUnreachable"), ofHost("EvolutionMemoryHigh"),
	)
	told("lost", "EvolutionTelemetryLost")
	told("failing", "EvolutionSuccessRateLow", "EvolutionDiversityCollapse")
	told("stale", "EvolutionChampionStale", "EvolutionDiversityCollapse")
	told("", "EvolutionDockerUnreachable", "EvolutionMemoryHigh")

	// Their symptoms, and last an alert that is told after them.
	a.fire(
		ofRun("EvolutionChampionStale", "lost"), ofRun("EvolutionSandboxesOrphaned", "lost"),
		ofRun("EvolutionChampionStale", "failing"),
		ofHost("EvolutionCleanupFailing"),
	)
	assert.Equal(t, map[string]bool{
		"EvolutionChampionStale lost":    true,
		"EvolutionChampionStale failing": true, "EvolutionCleanupFailing ": true,
	}, a.suppressed())
	a.fire(ofRun("EvolutionSandboxesOrphaned", "failing"))
	told("failing", "EvolutionSuccessRateLow", "EvolutionDiversityCollapse", "EvolutionSandboxesOrphaned")
	told("lost", "EvolutionTelemetryLost", "EvolutionSandboxesOrphaned")

	// Without the Collector a silent run says nothing.
	a.fire(ofHost("EvolutionCollectorDown"))
	assert.Eventually(t, func() bool { return a.suppressed()["EvolutionTelemetryLost lost"] }, 5*time.Second, 50*time.Millisecond)

	// A notification is of one run.
	box.mu.Lock()
	defer box.mu.Unlock()
	for _, n := range box.received {
		for _, alert := range n.Alerts {
			assert.Equal(t, n.GroupLabels["evolution_run_id"], alert.Labels["evolution_run_id"])
		}
	}
}
