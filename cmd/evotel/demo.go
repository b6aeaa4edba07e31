package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/evotel/evotel/internal/stack"
	"github.com/evotel/evotel/sandbox/docker"
)

var faults = []string{"collapse", "stall", "fail", "leak", "orphans", "crash"}

type demo struct {
	out        io.Writer
	binDir     string
	portOffset int
	fault      string
	iterations int
	runID      string
}

func newDemoCommand() *cobra.Command {
	d := &demo{}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Run the pipeline with the example loop and show what Prometheus says, until Ctrl-C",
		Long: `Starts the Collector, Prometheus, Alertmanager and the example loop, which evolves
trading strategies and scores each candidate in a Docker sandbox, and shows a live
summary that is read back from Prometheus. Ctrl-C stops everything and removes what
it made: processes, sandboxes, the sandboxes' image and a temporary folder.

A fault makes the loop go wrong in a way that brings an alert:
  collapse   the population becomes copies of one individual
  stall      the champion improves no more
  fail       most iterations fail
  leak       the loop's memory grows to its limit
  orphans    sandboxes whose owner is gone
  crash      the loop kills itself and leaves its sandboxes`,
		Example: "  evotel demo\n  evotel demo --fault collapse\n  evotel demo --port-offset 100",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if d.fault != "" && !slices.Contains(faults, d.fault) {
				return fmt.Errorf("--fault %s: expected one of %s", d.fault, strings.Join(faults, ", "))
			}
			if d.iterations < 0 {
				return fmt.Errorf("--iterations %d: expected at least 0", d.iterations)
			}
			d.out = command.OutOrStdout()
			d.runID = "demo-" + uuid.NewString()[:8]
			return d.run(command.Context())
		},
	}
	command.Flags().StringVar(&d.fault, "fault", "", "what goes wrong: "+strings.Join(faults, ", "))
	command.Flags().IntVar(&d.iterations, "iterations", 0, "iterations after which the loop ends; 0: never")
	addStackFlags(command, &d.binDir, &d.portOffset)
	return command
}

func (d *demo) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "evotel-demo-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	docker := d.findDocker(ctx)
	if docker != nil {
		defer func() { _ = docker.Close() }()
	}

	if docker == nil && d.fault == "orphans" {
		return errors.New("--fault orphans needs Docker: without it there are no sandboxes to be left behind")
	}

	pipeline, err := stack.Start(ctx, stack.Options{
		Dir: dir, BinDir: d.binDir, PortOffset: d.portOffset,
		Progress: func(line string) { d.say("%s", line) },
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() { err = errors.Join(err, pipeline.Stop()) }()

	d.say("starting the loop, run %s", d.runID)
	loop, err := stack.StartProcess("strategyloop", filepath.Join(d.binDir, "strategyloop"),
		d.loopArgs(docker != nil), d.loopEnv(pipeline), filepath.Join(dir, "logs"))
	if err != nil {
		return err
	}
	defer func() {
		d.say("\nstopping")
		err = errors.Join(err, loop.Stop())
		if docker != nil {
			err = errors.Join(err, removeSandboxes(docker, d.runID))
		}
	}()
	return d.watch(ctx, pipeline, loop)
}

func (d *demo) say(format string, values ...any) { _, _ = fmt.Fprintf(d.out, format+"\n", values...) }

// findDocker gives a client of the Engine, or nil when none answers.
func (d *demo) findDocker(ctx context.Context) *client.Client {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if _, err = docker.Ping(ctx); err == nil {
			return docker
		}
		_ = docker.Close()
	}
	d.say("No Docker Engine answers (%v).\n"+
		"Candidates are scored in subprocesses, and there are no sandboxes to watch. To see them, install and start Docker,\n"+
		"or set DOCKER_HOST, and start again.", err)
	return nil
}

func (d *demo) loopArgs(docker bool) []string {
	args := []string{"--run-id", d.runID, "--iterations", strconv.Itoa(d.iterations), "--sandbox", "subprocess"}
	if docker {
		args[len(args)-1] = "docker"
	}
	if d.fault != "" {
		args = append(args, "--fault", d.fault)
	}
	return args
}

func (d *demo) loopEnv(pipeline *stack.Stack) []string {
	env := []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + pipeline.OTLPGRPC,
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
		"OTEL_METRIC_EXPORT_INTERVAL=1000",
	}
	if d.fault == "leak" {
		env = append(env, "GOMEMLIMIT=256MiB")
	}
	return env
}

// watch shows the summary until ctx is done or a server fails.
func (d *demo) watch(ctx context.Context, pipeline *stack.Stack, loop *stack.Process) error {
	summary, err := newSummary(pipeline.Prometheus, d.runID)
	if err != nil {
		return err
	}
	every := 5 * time.Second
	redraw := isTerminal(d.out)
	if redraw {
		every = time.Second
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	state := "running"
	loopDone := loop.Done()
	for {
		screen := fmt.Sprintf("evotel demo, run %s%s: loop %s\n%s\n%s  Notifications    %s\nCtrl-C stops everything.\n",
			d.runID, d.faultNote(), state, summary.render(ctx), addressTable(pipeline.Addresses), pipeline.Notifications)
		if ctx.Err() != nil {
			return nil
		}
		if redraw {
			screen = "\x1b[H\x1b[2J" + screen
		}
		d.say("%s", screen)
		select {
		case <-ctx.Done():
			return nil
		case err := <-pipeline.Failed():
			return err
		case <-loopDone:
			loopDone = nil
			state = "completed"
			if !loop.ExitedCleanly() {
				state = fmt.Sprintf("has died; the pipeline goes on watching what it left\n%v", loop.Ended())
			}
		case <-ticker.C:
		}
	}
}

func (d *demo) faultNote() string {
	if d.fault == "" {
		return ""
	}
	return ", fault " + d.fault
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// removeSandboxes removes the containers of the demo's own run and their image,
// which a loop that was killed leaves behind.
func removeSandboxes(api *client.Client, runID string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	engine, err := docker.Dial("")
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	sandboxes, err := engine.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, one := range sandboxes {
		if one.Claim.Run != runID {
			continue
		}
		err := engine.Remove(ctx, one.ID)
		if err != nil && !errors.Is(err, docker.ErrGone) && !errors.Is(err, docker.ErrInProgress) {
			errs = append(errs, err)
		}
	}
	images, err := api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", "evotel-strategyloop:"+runID))})
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("listing the images of run %s: %w", runID, err))...)
	}
	for _, i := range images {
		if _, err := api.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true}); err != nil && !cerrdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing image %s: %w", i.ID, err))
		}
	}
	return errors.Join(errs...)
}
