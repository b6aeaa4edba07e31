package scoring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/evotel/evotel/examples/strategyloop/strategy"
	"github.com/evotel/evotel/sandbox"
)

// What a sandbox may use.
const (
	sandboxMemory = 64 << 20
	sandboxCPUs   = 1e9 // in billionths of a CPU
	sandboxPIDs   = 64
)

const (
	pingTimeout   = 2 * time.Second
	importTimeout = time.Minute
	// createTimeout is also what the end of the loop may wait for: a call that
	// is cut off could create a container after everything was removed.
	createTimeout = 10 * time.Second
	removeTimeout = 10 * time.Second
)

// Docker scores each candidate in a container.
type Docker struct {
	api     *client.Client
	image   string
	labels  map[string]string
	options Options
	count   atomic.Int64
}

// Dial reaches the Engine, without making anything there. The sandboxes will be
// labelled as the calling process's own.
func Dial(ctx context.Context, o Options) (*Docker, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if o.DockerHost != "" {
		opts = append(opts, client.WithHost(o.DockerHost))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing a Docker client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if _, err := api.Ping(ctx); err != nil {
		_ = api.Close()
		return nil, fmt.Errorf("asking the Docker Engine at %s whether it is there: %w", api.DaemonHost(), err)
	}
	return &Docker{api: api, image: imageOf(o.RunID), labels: sandbox.Labels(o.RunID), options: o}, nil
}

// newDocker imports the image and tries it out.
func newDocker(ctx context.Context, o Options) (_ *Docker, err error) {
	program, err := Self()
	if err != nil {
		return nil, err
	}
	d, err := Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
			defer cancel()
			err = errors.Join(err, d.Close(ctx))
		}
	}()
	importCtx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	if err := importImage(importCtx, d.api, d.image, program, o.Data); err != nil {
		return nil, err
	}
	if err := d.tryOut(ctx); err != nil {
		return nil, fmt.Errorf("trying out a sandbox: %w", err)
	}
	o.Log.Info("each candidate is scored in a Docker sandbox of its own", "engine", d.api.DaemonHost(), "image", d.image,
		"memory_mib", sandboxMemory>>20, "cpus", sandboxCPUs/1e9, "network", "none")
	return d, nil
}

// tryOut runs a sandbox whose candidate is no candidate. That it says so shows
// that it runs.
func (d *Docker) tryOut(ctx context.Context) error {
	_, err := d.Score(ctx, Job{Candidate: "{}"})
	if e := (*Error)(nil); errors.As(err, &e) && e.Type == ErrorExit && strings.Contains(err.Error(), strategy.NotACandidate) {
		return nil
	}
	return err
}

// Kind implements Scorer.
func (d *Docker) Kind() Kind { return InDocker }

// Score implements Scorer. The container is removed before it returns.
func (d *Docker) Score(ctx context.Context, job Job) (strategy.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	id, err := d.create(ctx, job, false)
	if err != nil {
		return strategy.Result{}, interrupted(ctx, "creating a sandbox", err)
	}
	defer func() {
		if removal := d.remove(ctx, id); removal != nil {
			d.options.Log.Warn("a sandbox stays behind", "error", removal)
		}
	}()
	if err := d.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return strategy.Result{}, interrupted(ctx, "starting a sandbox", err)
	}
	if job.Started != nil {
		job.Started()
	}
	exited, failed := d.api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	var exit int
	select {
	case err := <-failed:
		return strategy.Result{}, interrupted(ctx, "waiting for a sandbox", err)
	case end := <-exited:
		if end.Error != nil {
			return strategy.Result{}, interrupted(ctx, "waiting for a sandbox", errors.New(end.Error.Message))
		}
		exit = int(end.StatusCode)
	}
	logs, err := d.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return strategy.Result{}, interrupted(ctx, "reading a sandbox's output", err)
	}
	defer func() { _ = logs.Close() }()
	var stdout, stderr clipped
	if _, err := stdcopy.StdCopy(&stdout, &stderr, logs); err != nil {
		return strategy.Result{}, interrupted(ctx, "reading a sandbox's output", err)
	}
	return interpret(exit, stdout.String(), stderr.String())
}

// Abandon starts a sandbox that scores for as long as job.Take and is removed by
// the Engine after that, and returns its id.
func (d *Docker) Abandon(ctx context.Context, job Job) (id string, err error) {
	id, err = d.create(ctx, job, true)
	if err != nil {
		return "", fmt.Errorf("creating a sandbox: %w", err)
	}
	if err := d.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return id, fmt.Errorf("starting a sandbox: %w", err)
	}
	return id, nil
}

func (d *Docker) create(ctx context.Context, job Job, autoRemove bool) (id string, err error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	pids := int64(sandboxPIDs)
	labels := make(map[string]string, len(d.labels))
	for k, v := range d.labels {
		labels[k] = v
	}
	name := fmt.Sprintf("%s-%s-%d", strings.Replace(d.image, ":", "-", 1), labels[sandbox.LabelOwnerPID], d.count.Add(1))
	created, err := d.api.ContainerCreate(ctx, &container.Config{
		Image:           d.image,
		Cmd:             []string{imageProgram, "score", "--data", imagePrices, "--take", job.Take.String(), "--", job.Candidate},
		Env:             []string{"GOMAXPROCS=1"},
		User:            "65534:65534",
		Labels:          labels,
		NetworkDisabled: true,
	}, &container.HostConfig{
		NetworkMode:    "none",
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		AutoRemove:     autoRemove,
		// The output is read back, whatever the Engine's default is.
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m"}},
		Resources: container.Resources{Memory: sandboxMemory, MemorySwap: sandboxMemory, NanoCPUs: sandboxCPUs, PidsLimit: &pids},
	}, nil, nil, name)
	return created.ID, err
}

// remove kills and removes a container, even if ctx is done. That it is gone, or
// going, is as good.
func (d *Docker) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	err := d.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || cerrdefs.IsNotFound(err) || strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	return fmt.Errorf("removing sandbox %.12s: %w", id, err)
}

// Remove removes abandoned sandboxes.
func (d *Docker) Remove(ctx context.Context, ids []string) error {
	var errs []error
	for _, id := range ids {
		errs = append(errs, d.remove(ctx, id))
	}
	return errors.Join(errs...)
}

// Exist is how many of the containers there still are.
func (d *Docker) Exist(ctx context.Context, ids []string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if len(ids) == 0 {
		return 0, nil
	}
	wanted := filters.NewArgs()
	for _, id := range ids {
		wanted.Add("id", id)
	}
	found, err := d.api.ContainerList(ctx, container.ListOptions{All: true, Filters: wanted})
	if err != nil {
		return 0, fmt.Errorf("listing abandoned sandboxes: %w", err)
	}
	return len(found), nil
}

// Close removes what the process made: containers, of which there should be none
// left, and the image.
func (d *Docker) Close(ctx context.Context) error {
	defer func() { _ = d.api.Close() }()
	var errs []error
	if pid, ok := d.labels[sandbox.LabelOwnerPID]; ok {
		own := filters.NewArgs()
		for key, value := range map[string]string{
			sandbox.LabelRunID:      d.labels[sandbox.LabelRunID],
			sandbox.LabelOwnerPID:   pid,
			sandbox.LabelOwnerStart: d.labels[sandbox.LabelOwnerStart],
			sandbox.LabelOwnerBoot:  d.labels[sandbox.LabelOwnerBoot],
		} {
			own.Add("label", key+"="+value)
		}
		left, err := d.api.ContainerList(ctx, container.ListOptions{All: true, Filters: own})
		if err != nil {
			errs = append(errs, fmt.Errorf("listing sandboxes: %w", err))
		}
		for _, c := range left {
			errs = append(errs, d.remove(ctx, c.ID))
		}
	}
	_, err := d.api.ImageRemove(ctx, d.image, image.RemoveOptions{Force: true, PruneChildren: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		errs = append(errs, fmt.Errorf("removing image %s: %w", d.image, err))
	}
	return errors.Join(errs...)
}
