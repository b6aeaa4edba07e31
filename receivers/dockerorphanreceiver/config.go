package dockerorphanreceiver

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
)

// Mode is what happens to orphans.
type Mode string

// The modes of cleanup.
const (
	// ModeOff only counts orphans.
	ModeOff Mode = "off"
	// ModeDryRun counts and logs what would be removed.
	ModeDryRun Mode = "dry_run"
	// ModeRemove removes orphans.
	ModeRemove Mode = "remove"
)

// Config configures the receiver.
type Config struct {
	// CollectionInterval is the time between scans, from 1s to 10m. Default 5s.
	// Timeout bounds all that one scan asks of the Engine. Default 2s.
	scraperhelper.ControllerConfig `mapstructure:",squash"`

	// Endpoint is the Docker Engine, as unix:///path or tcp://host:port. Default:
	// DOCKER_HOST, or else unix:///var/run/docker.sock. DOCKER_TLS_VERIFY and
	// DOCKER_CERT_PATH count, too.
	Endpoint string `mapstructure:"endpoint"`
	// HostProc is where the process file system of the owners' host is mounted.
	// Default /proc.
	HostProc string `mapstructure:"host_proc"`
	// HostCgroup is where the host's cgroups are mounted. Default
	// /sys/fs/cgroup. Empty: ask the Engine, which costs far more.
	HostCgroup string `mapstructure:"host_cgroup"`
	// ExitedAfter is how long a sandbox may stand stopped or never started
	// before it is an orphan although its owner lives. 0, the default: for ever.
	ExitedAfter time.Duration `mapstructure:"exited_after"`
	// MaxAge is how old a sandbox whose owner can't be verified may become
	// before it is an orphan. 0, the default: for ever.
	MaxAge time.Duration `mapstructure:"max_age"`
	// RunRetention is how long a run is reported after its last sandbox has
	// gone, and all runs after the Engine was lost. Default 10m.
	RunRetention time.Duration `mapstructure:"run_retention"`
	// MaxRuns bounds how many runs are reported at a time. Further ones are
	// reported together, with those of no known run. Default 500.
	MaxRuns int `mapstructure:"max_runs"`
	// PerContainer adds metrics of each running sandbox, as container.*. They
	// are as many and as short-lived as the sandboxes. Default false.
	PerContainer bool `mapstructure:"per_container"`
	// Lease names an extension that knows from telemetry which runs are alive.
	// Default: none.
	Lease *component.ID `mapstructure:"lease"`
	// Cleanup says what to do with orphans.
	Cleanup CleanupConfig `mapstructure:"cleanup"`
}

// CleanupConfig says what to do with orphans.
type CleanupConfig struct {
	// Mode is off, dry_run or remove. Default off.
	Mode Mode `mapstructure:"mode"`
	// Grace is how long a sandbox must have been an orphan before it is
	// removed. 0: until the next scan. Default 30s.
	Grace time.Duration `mapstructure:"grace"`
	// MaxPerScan bounds how many removals one scan may begin, and how many may
	// be waiting or under way. Default 20.
	MaxPerScan int `mapstructure:"max_per_scan"`
	// Concurrency bounds how many removals run at the same time. Default 4.
	Concurrency int `mapstructure:"concurrency"`
	// Timeout bounds one removal. Default 30s.
	Timeout time.Duration `mapstructure:"timeout"`
	// MaxBackoff bounds the wait before a failed removal is tried again, which
	// doubles each time from the collection interval on. Default 5m.
	MaxBackoff time.Duration `mapstructure:"max_backoff"`
}

func createDefaultConfig() component.Config {
	controller := scraperhelper.NewDefaultControllerConfig()
	controller.CollectionInterval = 5 * time.Second
	controller.Timeout = 2 * time.Second
	return &Config{
		ControllerConfig: controller,
		HostProc:         "/proc",
		HostCgroup:       "/sys/fs/cgroup",
		RunRetention:     10 * time.Minute,
		MaxRuns:          500,
		Cleanup: CleanupConfig{
			Mode: ModeOff, Grace: 30 * time.Second, MaxPerScan: 20, Concurrency: 4,
			Timeout: 30 * time.Second, MaxBackoff: 5 * time.Minute,
		},
	}
}

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.CollectionInterval < time.Second || c.CollectionInterval > 10*time.Minute {
		bad("\"collection_interval\" must be from 1s to 10m, is %v", c.CollectionInterval)
	}
	if c.Endpoint != "" {
		if at, err := client.ParseHostURL(c.Endpoint); err != nil || at.Scheme != "unix" && at.Scheme != "tcp" {
			bad("\"endpoint\" must be like unix:///var/run/docker.sock or tcp://host:2375, is %q", c.Endpoint)
		}
	}
	if !strings.HasPrefix(c.HostProc, "/") {
		bad("\"host_proc\" must be an absolute path, is %q", c.HostProc)
	}
	if c.HostCgroup != "" && !strings.HasPrefix(c.HostCgroup, "/") {
		bad("\"host_cgroup\" must be empty or an absolute path, is %q", c.HostCgroup)
	}
	for _, d := range []struct {
		name     string
		value    time.Duration
		positive bool
	}{
		{"timeout", c.Timeout, true},
		{"exited_after", c.ExitedAfter, false}, {"max_age", c.MaxAge, false}, {"run_retention", c.RunRetention, false},
		{"cleanup::grace", c.Cleanup.Grace, false}, {"cleanup::timeout", c.Cleanup.Timeout, true}, {"cleanup::max_backoff", c.Cleanup.MaxBackoff, true},
	} {
		switch {
		case d.value < 0:
			bad("%q must not be negative, is %v", d.name, d.value)
		case d.value == 0 && d.positive:
			bad("%q must be positive, is %v", d.name, d.value)
		case d.value > 0 && d.value < time.Millisecond:
			// A number without a unit.
			bad("%q must have a unit, as in 30s: it is %v", d.name, d.value)
		}
	}
	if c.MaxRuns < 1 {
		bad("\"max_runs\" must be at least 1, is %d", c.MaxRuns)
	}
	switch c.Cleanup.Mode {
	case ModeOff, ModeDryRun, ModeRemove:
	default:
		bad("\"cleanup::mode\" must be off, dry_run or remove, is %q", c.Cleanup.Mode)
	}
	if c.Cleanup.MaxPerScan < 1 || c.Cleanup.MaxPerScan > 10_000 {
		bad("\"cleanup::max_per_scan\" must be from 1 to 10000, is %d", c.Cleanup.MaxPerScan)
	}
	if c.Cleanup.Concurrency < 1 || c.Cleanup.Concurrency > 64 {
		bad("\"cleanup::concurrency\" must be from 1 to 64, is %d", c.Cleanup.Concurrency)
	}
	return errors.Join(errs...)
}
