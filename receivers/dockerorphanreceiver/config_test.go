//go:build !windows

package dockerorphanreceiver

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"

	"github.com/evotel/evotel/receivers/dockerorphanreceiver/internal/metadata"
)

func TestConfigsLoad(t *testing.T) {
	full := createDefaultConfig().(*Config)
	full.CollectionInterval = 2 * time.Second
	full.Timeout = time.Second
	full.Endpoint = "unix:///run/user/1000/docker.sock"
	full.HostProc = "/host/proc"
	full.HostCgroup = "/host/sys/fs/cgroup"
	full.ExitedAfter = 10 * time.Minute
	full.MaxAge = 24 * time.Hour
	full.RunRetention = 5 * time.Minute
	full.MaxRuns = 50
	full.PerContainer = true
	lease := component.MustNewID("run_lease")
	full.Lease = &lease
	full.Cleanup = CleanupConfig{
		Mode: ModeRemove, Grace: 10 * time.Second, MaxPerScan: 50, Concurrency: 8, Timeout: 20 * time.Second, MaxBackoff: time.Minute,
	}
	all, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for name, want := range map[component.ID]component.Config{
		component.NewID(metadata.Type):                 createDefaultConfig(),
		component.NewIDWithName(metadata.Type, "full"): full,
	} {
		part, err := all.Sub(name.String())
		require.NoError(t, err)
		got := createDefaultConfig()
		require.NoError(t, part.Unmarshal(got))
		require.NoError(t, xconfmap.Validate(got))
		assert.Equal(t, want, got)
	}
}

func TestDefaultsRemoveNothing(t *testing.T) {
	c := createDefaultConfig().(*Config)
	assert.Equal(t, ModeOff, c.Cleanup.Mode)
	assert.Zero(t, c.MaxAge)
	assert.Zero(t, c.ExitedAfter)
	assert.Nil(t, c.Lease)
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	c := &Config{
		Endpoint: "docker.sock", HostProc: "proc", HostCgroup: "cgroup", ExitedAfter: -1, MaxAge: -1, RunRetention: -1,
		Cleanup: CleanupConfig{Mode: "always", Grace: -1},
	}
	err := c.Validate()
	for _, field := range []string{
		`"collection_interval"`, `"timeout"`, `"endpoint"`, `"host_proc"`, `"host_cgroup"`, `"exited_after"`, `"max_age"`,
		`"run_retention"`, `"max_runs"`, `"cleanup::mode"`, `"cleanup::grace"`, `"cleanup::max_per_scan"`,
		`"cleanup::concurrency"`, `"cleanup::timeout"`, `"cleanup::max_backoff"`,
	} {
		require.ErrorContains(t, err, field)
	}
	assert.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 15)
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"as it comes", func(*Config) {}, ""},
		{"an interval too short", func(c *Config) { c.CollectionInterval = 999 * time.Millisecond }, `"collection_interval" must be from 1s to 10m, is 999ms`},
		{"an interval too long", func(c *Config) { c.CollectionInterval = 11 * time.Minute }, `"collection_interval"`},
		{"an endpoint over TCP", func(c *Config) { c.Endpoint = "tcp://host:2376" }, ""},
		{"an endpoint over SSH, which needs Docker's own command", func(c *Config) { c.Endpoint = "ssh://host" }, `"endpoint" must be like unix:///var/run/docker.sock or tcp://host:2375, is "ssh://host"`},
		{"an endpoint over nothing", func(c *Config) { c.Endpoint = "unix://" }, `"endpoint"`},
		{"no cgroup files", func(c *Config) { c.HostCgroup = "" }, ""},
		{"no process files", func(c *Config) { c.HostProc = "" }, `"host_proc" must be an absolute path, is ""`},
		{"a duration without a unit", func(c *Config) { c.Cleanup.Grace = 60 }, `"cleanup::grace" must have a unit, as in 30s: it is 60ns`},
		{"no grace", func(c *Config) { c.Cleanup.Grace = 0 }, ""},
		{"a crowd of removals", func(c *Config) { c.Cleanup.Concurrency = 65 }, `"cleanup::concurrency" must be from 1 to 64, is 65`},
		{"too many removals", func(c *Config) { c.Cleanup.MaxPerScan = 10001 }, `"cleanup::max_per_scan" must be from 1 to 10000, is 10001`},
		{"a mode", func(c *Config) { c.Cleanup.Mode = "Remove" }, `"cleanup::mode" must be off, dry_run or remove, is "Remove"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := createDefaultConfig().(*Config)
			test.change(c)
			err := c.Validate()
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			var many interface{ Unwrap() []error }
			require.ErrorAs(t, err, &many)
			assert.Len(t, many.Unwrap(), 1)
		})
	}
}
