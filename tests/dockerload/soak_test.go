package dockerload

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

// TestSoak has sandboxes come and go for as long as asked, each of a run of 100,
// and shows that the Collector's memory does not grow with them. Runs are soon
// forgotten, so that as many come as go.
func TestSoak(t *testing.T) {
	period := duration(t, "EVOTEL_DOCKERLOAD_SOAK", 0)
	if period == 0 {
		t.Skip("SKIPPED: a soak takes long; set EVOTEL_DOCKERLOAD_SOAK to how long, as in 10m")
	}
	rate := number(t, "EVOTEL_DOCKERLOAD_RATE", 5)
	engine := dockertest.Start(t)
	engine.Own(t)
	image := engine.Image(t)
	ours := startProcess(t, ourCollector(t), configuration("dockerorphan", engine.Endpoint, `
    run_retention: 30s
    cleanup:
      mode: remove`))
	ours.waitFor(t, "Scanned the sandboxes.", 1)

	ctx, cancel := context.WithTimeout(t.Context(), period)
	defer cancel()
	var made atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		slots := make(chan struct{}, 4*rate)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case slots <- struct{}{}:
			default:
				continue // the Engine does not keep up
			}
			n := made.Add(1)
			wg.Go(func() {
				defer func() { <-slots }()
				assert.NoError(t, brief(engine, image, "run-"+strconv.FormatInt(n/100, 10)))
			})
		}
	})

	// The first third is for warming up.
	var minutes, mebibytes []float64
	began := time.Now()
	sampling := time.NewTicker(2 * time.Second)
	defer sampling.Stop()
	for ctx.Err() == nil {
		<-sampling.C
		if now := time.Since(began); now > period/3 {
			minutes = append(minutes, now.Minutes())
			mebibytes = append(mebibytes, resident(t, ours.cmd.Process.Pid))
		}
	}
	wg.Wait()
	slope := slopeOf(minutes, mebibytes)
	mean := 0.0
	for _, m := range mebibytes {
		mean += m / float64(len(mebibytes))
	}
	t.Logf("%d sandboxes in %v (%.1f a second): %.1f MiB resident on average, growing by %.3f MiB a minute, %.4f %% for each 1000 sandboxes",
		made.Load(), period, float64(made.Load())/period.Seconds(), mean, slope,
		100*slope*period.Minutes()/mean/(float64(made.Load())/1000))
	// The garbage collector's own swing hides less than that.
	assert.Less(t, slope*period.Minutes(), mean/10, "less than 10 % over the whole time")
}

// brief runs a sandbox that ends at once, and waits until it has gone.
func brief(engine *dockertest.Engine, image, run string) error {
	ctx := context.Background()
	c, err := engine.API.ContainerCreate(ctx, &container.Config{
		Image: image, Cmd: []string{"/sleeper", "exit", "0"}, Labels: sandbox.Labels(run),
	}, &container.HostConfig{NetworkMode: "none", AutoRemove: true}, &network.NetworkingConfig{}, nil, "")
	if err != nil {
		return err
	}
	gone, errs := engine.API.ContainerWait(ctx, c.ID, container.WaitConditionRemoved)
	if err := engine.API.ContainerStart(ctx, c.ID, container.StartOptions{}); err != nil {
		return err
	}
	select {
	case <-gone:
		return nil
	case err := <-errs:
		return err
	}
}

// resident is a process's memory in MiB.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	require.NoError(t, err)
	return float64(pages*os.Getpagesize()) / (1 << 20)
}

// slopeOf is that of the line of least squares.
func slopeOf(x, y []float64) float64 {
	var mx, my float64
	for i := range x {
		mx += x[i] / float64(len(x))
		my += y[i] / float64(len(y))
	}
	var xy, xx float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
	}
	return xy / xx
}
