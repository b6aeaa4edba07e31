package scoring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/evotel/evotel/examples/strategyloop/strategy"
)

type subprocess struct {
	program string
	options Options
}

func newSubprocess(o Options) (*subprocess, error) {
	program, err := Self()
	if err != nil {
		return nil, err
	}
	return &subprocess{program: program, options: o}, nil
}

// Self is the program that is running, even if its file was replaced since.
func Self() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the program's own file: %w", err)
	}
	return program, nil
}

func (s *subprocess) Kind() Kind { return Subprocess }

func (s *subprocess) Close(context.Context) error { return nil }

func (s *subprocess) Score(ctx context.Context, job Job) (strategy.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	args := []string{"score", "--take", job.Take.String()}
	if s.options.DataFile != "" {
		args = append(args, "--data", s.options.DataFile)
	}
	command := exec.CommandContext(ctx, s.program, append(args, "--", job.Candidate)...)
	var stdout, stderr clipped
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Env = []string{"GOMAXPROCS=1"}
	// Should something else hold its output open after it was killed.
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		return strategy.Result{}, interrupted(ctx, "starting a subprocess", err)
	}
	if job.Started != nil {
		job.Started()
	}
	err := command.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && (ctx.Err() != nil || !errors.As(err, &exit)) {
		return strategy.Result{}, interrupted(ctx, "waiting for a subprocess", err)
	}
	return interpret(command.ProcessState.ExitCode(), stdout.String(), stderr.String())
}
