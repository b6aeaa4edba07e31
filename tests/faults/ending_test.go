package faults_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/tests/collector"
)

// ending is how the process of a loop comes to its end, and the name of its run.
type ending string

const (
	completes ending = "completes"
	fails     ending = "fails"
	// stopped ends its run by ctx.Err(), as the README has it.
	stopped ending = "stopped"
	// careless has nothing but the deferred Shutdown.
	careless ending = "careless"
	// killed and exits have no Shutdown.
	killed ending = "killed"
	exits  ending = "exits"
)

// endingVariable makes the test's program one of these loops.
const endingVariable = "EVOTEL_TEST_ENDING"

func TestMain(m *testing.M) {
	if e := ending(os.Getenv(endingVariable)); e != "" {
		e.loop()
		return
	}
	os.Exit(m.Run())
}

func (e ending) loop() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	// Where a loop ends by itself, SIGTERM says when.
	done := func() bool { return ctx.Err() != nil }
	monitor := instrumentation.Start(ctx, instrumentation.WithServiceName("ending"))
	defer monitor.Shutdown(ctx)
	run := monitor.Run(instrumentation.WithRunID(string(e)))
	for !done() {
		iteration := run.Iteration()
		time.Sleep(10 * time.Millisecond)
		iteration.End(nil)
	}
	switch e {
	case completes:
		run.End(nil)
	case fails:
		run.End(errors.New("no"))
	case stopped:
		run.End(ctx.Err())
	case exits:
		os.Exit(1)
	case careless, killed:
	}
}

// What the last export says reaches Prometheus though the process is gone, and
// stays there for several scrapes. A run that could say nothing vanishes.
func TestHowARunEndedReachesPrometheus(t *testing.T) {
	t.Setenv("EVOTEL_METRIC_EXPIRATION", "10s") // shorter than what is shipped
	c := collector.New(t)
	c.Start(t)
	p := c.Prometheus(t)
	state := func(e ending, state string) string {
		return collector.Run("evolution_run_state_ratio", string(e), `evolution_run_state="`+state+`"`)
	}
	want := map[ending]string{completes: "completed", fails: "failed", stopped: "failed", careless: "failed", killed: "", exits: ""}
	processes := map[ending]*exec.Cmd{}
	for e := range want {
		process := exec.Command(os.Args[0])
		process.Env = append(os.Environ(), endingVariable+"="+string(e), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+c.OTLPHTTP)
		process.Stderr = os.Stderr
		require.NoError(t, process.Start())
		t.Cleanup(func() { _ = process.Process.Kill() })
		processes[e] = process
	}
	for e := range want {
		require.Eventually(t, func() bool { return p.Ask(state(e, "running")).Value() == 1 }, 30*time.Second, 200*time.Millisecond, e)
	}
	for e, process := range processes {
		kind := syscall.SIGTERM
		if e == killed {
			kind = syscall.SIGKILL
		}
		require.NoError(t, process.Process.Signal(kind))
	}
	for _, process := range processes {
		_ = process.Wait() // its status is not what this is about
	}
	for e, end := range want {
		if end == "" {
			continue
		}
		// Each scrape that sees it adds 1.
		assert.Eventually(t, func() bool { return p.Ask("sum_over_time("+state(e, end)+"[1m])").Value() >= 3 }, 20*time.Second, 200*time.Millisecond, e)
		assert.Zero(t, p.Ask("min_over_time("+state(e, "running")+"[5s])").Value(), e)
	}
	for e, end := range want {
		if end != "" {
			continue
		}
		assert.Equal(t, 0.0, p.Ask("max_over_time("+state(e, "completed")+"[1m])").Value(), e)
		assert.Equal(t, 0.0, p.Ask("max_over_time("+state(e, "failed")+"[1m])").Value(), e)
		assert.Eventually(t, func() bool { return p.Ask("absent("+state(e, "running")+")").Value() == 1 }, 30*time.Second, 200*time.Millisecond, e)
	}
}
