package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evotel/evotel/examples/strategyloop/scoring"
)

const (
	// abandonAtOnce sandboxes are left behind together, again whenever no more
	// than abandonAgainBelow of them exist.
	abandonAtOnce     = 6
	abandonAgainBelow = 3
	abandonCheckEvery = 2 * time.Second
	abandonTimeout    = 30 * time.Second
	// abandonedTake is how long an abandoned sandbox goes on. Should nobody
	// reap it, the Engine removes it after that.
	abandonedTake = time.Hour
)

// abandoner keeps leaving sandboxes behind: a child process starts them, labelled
// as its own, and ends.
type abandoner struct {
	docker  *scoring.Docker
	options scoring.Options
	program string
	// candidate, in JSON, is what the sandboxes seem to be busy with.
	candidate string
	log       *slog.Logger
	ids       []string // all that were ever left behind
}

// run returns when ctx is done, and removes what nobody has reaped until then.
func (a *abandoner) run(ctx context.Context) {
	ticker := time.NewTicker(abandonCheckEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		exist, err := a.docker.Exist(ctx, a.ids)
		if err == nil && exist <= abandonAgainBelow {
			err = a.abandon(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Warn("no sandboxes could be left behind", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	if err := a.docker.Remove(ctx, a.ids); err != nil {
		a.log.Warn("abandoned sandboxes stay behind", "error", err)
	}
}

func (a *abandoner) abandon(ctx context.Context) error {
	// Not killed with the loop, so that it can say what it has made.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	args := []string{"abandon", "--run-id=" + a.options.RunID, "--docker-host=" + a.options.DockerHost, "--count", strconv.Itoa(abandonAtOnce), "--", a.candidate}
	command := exec.CommandContext(ctx, a.program, args...)
	command.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	ids := strings.Fields(stdout.String())
	a.ids = append(a.ids, ids...)
	if err != nil {
		return fmt.Errorf("running %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	a.log.Info("sandboxes were left behind", "count", len(ids))
	return nil
}

// newAbandonCommand is the child's side.
func newAbandonCommand() *cobra.Command {
	var options scoring.Options
	var count int
	command := &cobra.Command{
		Use:    "abandon [flags] CANDIDATE",
		Short:  "Start sandboxes, print their ids, and end without them",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			ctx := command.Context()
			docker, err := scoring.Dial(ctx, options)
			if err != nil {
				return err
			}
			var errs []error
			for range count {
				id, err := docker.Abandon(ctx, scoring.Job{Candidate: args[0], Take: abandonedTake})
				if id != "" {
					_, _ = fmt.Fprintln(command.OutOrStdout(), id)
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
	command.Flags().StringVar(&options.RunID, "run-id", "", "the run")
	command.Flags().StringVar(&options.DockerHost, "docker-host", "", "the Engine")
	command.Flags().IntVar(&count, "count", 1, "number of sandboxes")
	return command
}
