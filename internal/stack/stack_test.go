package stack

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryPortOfTheConfigurationMoves(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeConfig(dir, 40_000))
	moved := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "collector-config"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, match := range loopbackPort.FindAllStringSubmatch(string(content), -1) {
			port, err := strconv.Atoi(match[1])
			require.NoError(t, err)
			assert.Greater(t, port, 40_000, "%s: %s", name, match[0])
			moved++
		}
		return nil
	}))
	assert.Positive(t, moved)
	rules, err := filepath.Glob(filepath.Join(dir, "alertrules", "*.yaml"))
	require.NoError(t, err)
	assert.NotEmpty(t, rules)
}

func TestEveryTakenPortIsNamed(t *testing.T) {
	a := addresses(0)
	var taken []string
	for _, address := range []*string{&a.OTLPGRPC, &a.OTLPHTTP, &a.Exporter, &a.Telemetry, &a.Health, &a.Prometheus, &a.Alertmanager, &a.Webhook} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		*address = listener.Addr().String()
		if len(taken) < 2 {
			taken = append(taken, *address)
			defer func() { _ = listener.Close() }()
			continue
		}
		require.NoError(t, listener.Close())
	}
	err := a.checkFree()
	require.Error(t, err)
	for _, address := range taken {
		assert.Equal(t, 1, strings.Count(err.Error(), address), "%v", err)
	}
	assert.Contains(t, err.Error(), "PORT_OFFSET")
}

func TestAProcessThatEndsSaysWhy(t *testing.T) {
	process, err := StartProcess("boom", "/bin/sh", []string{"-c", "echo the reason; exit 3"}, nil, t.TempDir())
	require.NoError(t, err)
	<-process.Done()
	assert.False(t, process.ExitedCleanly())
	require.ErrorContains(t, process.Ended(), "exit status 3")
	require.ErrorContains(t, process.Ended(), "the reason")
	require.NoError(t, process.Stop(), "it has ended already")
}

func TestAMissingProgramIsSaidWithWhatToDo(t *testing.T) {
	_, err := StartProcess("evotelcol", filepath.Join(t.TempDir(), "evotelcol"), nil, nil, t.TempDir())
	require.ErrorContains(t, err, "make build")
}

func TestStopEndsAProcessByAsking(t *testing.T) {
	dir := t.TempDir()
	process, err := StartProcess("polite", "/bin/sh", []string{"-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"}, nil, dir)
	require.NoError(t, err)
	said := func() string {
		text, err := os.ReadFile(process.LogFile)
		require.NoError(t, err)
		return string(text)
	}
	require.Eventually(t, func() bool { return strings.Contains(said(), "ready") }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, process.Stop())
	assert.Contains(t, said(), "bye")
}

func TestWhatCannotWorkIsSaidBeforeAnythingStarts(t *testing.T) {
	refused := func(options Options) string {
		t.Helper()
		options.Progress = func(string) { t.Error("nothing is to be started") }
		_, err := Start(t.Context(), options)
		require.Error(t, err)
		return err.Error()
	}
	assert.Contains(t, refused(Options{Dir: t.TempDir(), PortOffset: -5}), "--port-offset -5: expected 0 to")
	assert.Contains(t, refused(Options{Dir: t.TempDir(), PortOffset: 90_000}), "--port-offset 90000: expected 0 to")
	t.Setenv("EVOTEL_METRIC_EXPIRATION", "30")
	assert.Contains(t, refused(Options{Dir: t.TempDir()}), "EVOTEL_METRIC_EXPIRATION is \"30\": expected a duration")
}

func TestTwoPipelinesDoNotShareAFolder(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	require.NoError(t, err)
	_, err = Start(t.Context(), Options{Dir: dir, Progress: func(string) { t.Error("nothing is to be started") }})
	require.ErrorContains(t, err, "another evotel runs in "+dir)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing is written but the lock")
	require.NoError(t, unlock())
	again, err := lock(dir)
	require.NoError(t, err)
	require.NoError(t, again())
}
