// Package orphans shows on a real Docker Engine that the sandboxes of killed
// loops are removed, and nothing else; that the receiver gets over an Engine
// that is away; and that it counts and measures what runs.
package orphans

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/evotel/evotel/sandbox"
)

// loopVariable makes the test's own binary a loop: "ENDPOINT IMAGE SEED".
const loopVariable = "EVOTEL_TEST_LOOP"

func TestMain(m *testing.M) {
	if args := strings.Fields(os.Getenv(loopVariable)); len(args) == 3 {
		seed, _ := strconv.ParseUint(args[2], 10, 64)
		if err := loop(args[0], args[1], seed); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// loop evaluates candidates in 3 to 5 sandboxes at a time, until it is killed.
func loop(endpoint, image string, seed uint64) error {
	api, err := client.NewClientWithOpts(client.WithHost(endpoint), client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	labels := sandbox.Labels("killed")
	for i := 1; ; i++ {
		fmt.Println("iteration", i)
		var wg sync.WaitGroup
		errs := make(chan error, 5)
		think := time.Duration(random.IntN(100)) * time.Millisecond
		for range 3 + random.IntN(3) {
			wg.Go(func() {
				if err := evaluate(api, image, labels, think); err != nil {
					errs <- err
				}
			})
		}
		wg.Wait()
		select {
		case err := <-errs:
			return err
		default:
		}
	}
}

func evaluate(api *client.Client, image string, labels map[string]string, think time.Duration) error {
	ctx := context.Background()
	c, err := api.ContainerCreate(ctx, &container.Config{
		Image: image, Cmd: []string{"/sleeper"}, Labels: labels, Volumes: map[string]struct{}{"/scratch": {}},
	}, &container.HostConfig{NetworkMode: "none"}, &network.NetworkingConfig{}, nil, "")
	if err != nil {
		return err
	}
	if err := api.ContainerStart(ctx, c.ID, container.StartOptions{}); err != nil {
		return err
	}
	time.Sleep(think) // what a candidate does
	return api.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
}
