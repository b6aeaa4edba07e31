package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
)

// sandboxes is one call of the command.
type sandboxes struct {
	out, prompt io.Writer
	in          io.Reader
	run         string
	endpoint    string
	proc        string
	policy      sandbox.Policy
	timeout     time.Duration
	reap, yes   bool
	json        bool
}

// judged is a sandbox and what is known of its owner.
type judged struct {
	docker.Container
	verdict sandbox.Verdict
	// reap is what came of removing it; empty if that was not tried.
	reap    string
	reapErr error
}

func newSandboxesCommand() *cobra.Command {
	var s sandboxes
	command := &cobra.Command{
		Use:   "sandboxes",
		Short: "List sandbox containers, whose they are, and which are orphans; remove those with --reap",
		Long: `Lists the containers that carry the label dev.evotel.sandbox=1, with the verdict on
each: live (its owner is running), orphan (it provably has no owner, or its owner
wants it gone) or unverifiable (neither can be proven from here: it is kept).

The verdict comes from labels, from this machine's processes and from the Docker
Engine: deadline, owner's container, host's boot, owner's process and, if set,
--exited-after and --max-age. Unlike the Collector it hears no telemetry, so a
sandbox of which only its run's silence or end would tell is unverifiable here.

--reap removes orphans and nothing else: by id, with their anonymous volumes, each
after a fresh look. It asks first; --yes answers in advance.`,
		Example: "  evotel sandboxes\n  evotel sandboxes --run R --json\n  evotel sandboxes --reap",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			s.out, s.prompt, s.in = command.OutOrStdout(), command.ErrOrStderr(), command.InOrStdin()
			if err := s.check(); err != nil {
				return err
			}
			return s.do(command.Context())
		},
	}
	flags := command.Flags()
	flags.StringVar(&s.run, "run", "", "only the sandboxes of this run")
	flags.BoolVar(&s.reap, "reap", false, "remove the orphans, after a confirmation")
	flags.BoolVar(&s.yes, "yes", false, "with --reap: don't ask")
	flags.BoolVar(&s.json, "json", false, "print a JSON array")
	flags.StringVar(&s.endpoint, "endpoint", "", "the Docker Engine (default: DOCKER_HOST, or else unix:///var/run/docker.sock)")
	flags.StringVar(&s.proc, "host-proc", string(sandbox.DefaultProc), "where the process file system of the Engine's host is mounted")
	flags.DurationVar(&s.policy.ExitedAfter, "exited-after", 0, "how long a sandbox may stand stopped before it is an orphan although its owner lives; 0: for ever")
	flags.DurationVar(&s.policy.MaxAge, "max-age", 0, "how old a sandbox of an unknown owner may be before it is an orphan; 0: for ever")
	flags.DurationVar(&s.timeout, "timeout", 10*time.Second, "how long the Engine may take to answer")
	return command
}

func (s *sandboxes) check() error {
	var errs []error
	if s.yes && !s.reap {
		errs = append(errs, errors.New("--yes only goes with --reap"))
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"exited-after", s.policy.ExitedAfter}, {"max-age", s.policy.MaxAge}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("--%s must not be negative, is %v", d.flag, d.value))
		}
	}
	if s.timeout <= 0 {
		errs = append(errs, fmt.Errorf("--timeout must be positive, is %v", s.timeout))
	}
	if s.reap && !s.yes && !interactive(s.in) {
		errs = append(errs, errors.New("--reap asks before it removes anything, and there is no terminal to ask on; "+
			"look at `evotel sandboxes` first, then say --reap --yes"))
	}
	return errors.Join(errs...)
}

func (s *sandboxes) do(ctx context.Context) error {
	engine, err := docker.Dial(s.endpoint)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	examiner := &docker.Examiner{Client: engine, Proc: sandbox.Proc(s.proc), Policy: s.policy}

	found, err := s.list(ctx, examiner)
	if err != nil {
		return explainEngine(engine.Endpoint(), s.timeout, err)
	}
	if !s.reap {
		return s.show(found, engine.Endpoint())
	}
	orphans := slices.DeleteFunc(slices.Clone(found), func(j *judged) bool { return j.verdict.Kind != sandbox.Orphan })
	if !s.json {
		if err := s.show(found, engine.Endpoint()); err != nil {
			return err
		}
	}
	if len(orphans) > 0 && (s.yes || confirm(s.prompt, s.in, len(orphans))) {
		reapAll(ctx, examiner, orphans, s.timeout)
	}
	if s.json {
		err = s.show(found, engine.Endpoint())
	} else {
		err = writeReaps(s.out, orphans)
	}
	for _, j := range orphans {
		err = errors.Join(err, j.reapErr)
	}
	return err
}

// list finds and judges sandboxes, the youngest last.
func (s *sandboxes) list(ctx context.Context, examiner *docker.Examiner) ([]*judged, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	containers, err := examiner.Client.List(ctx)
	if err != nil {
		return nil, err
	}
	examination := examiner.Examine()
	var found []*judged
	for _, c := range containers {
		if s.run != "" && c.Claim.Run != s.run {
			continue
		}
		// The list does not say when a container stopped.
		if s.policy.ExitedAfter > 0 && (c.State.Status == sandbox.StateExited || c.State.Status == sandbox.StateDead) {
			full, err := examiner.Client.Inspect(ctx, c.ID)
			if errors.Is(err, docker.ErrGone) {
				continue
			}
			if err != nil {
				return nil, err
			}
			c = full
		}
		found = append(found, &judged{Container: c, verdict: examination.Judge(ctx, c)})
	}
	slices.SortFunc(found, func(a, b *judged) int { return a.State.Created.Compare(b.State.Created) })
	return found, nil
}

func (s *sandboxes) show(found []*judged, endpoint string) error {
	if s.json {
		return writeJSON(s.out, found, time.Now())
	}
	return writeTable(s.out, found, time.Now(), s.run, endpoint, s.reap)
}

// explainEngine says what an Engine that does not answer means.
func explainEngine(endpoint string, timeout time.Duration, err error) error {
	todo := "start Docker, or say where it listens with DOCKER_HOST or --endpoint"
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		todo = fmt.Sprintf("it took longer than %v, so it is overloaded or hangs: try `docker ps`, or wait longer with --timeout", timeout)
	case isPermission(err):
		todo = "your user may not use its socket: run this as root or as a member of the group docker"
	}
	return fmt.Errorf("the Docker Engine at %s does not answer, so it is not known whether there are sandboxes, and nothing was removed; %s (%w)", endpoint, todo, err)
}
