package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/evotel/evotel/sandbox/docker/cgroup"
)

// Stats asks the Engine for a running container's resource use. It costs the
// Engine about a hundred times what reading cgroup files costs.
func (c *Client) Stats(ctx context.Context, id string) (cgroup.Usage, error) {
	api, err := c.engine(ctx)
	if err != nil {
		return cgroup.Usage{}, err
	}
	answer, err := api.ContainerStatsOneShot(ctx, id)
	if err != nil {
		if cerrdefs.IsNotFound(err) {
			err = ErrGone
		}
		return cgroup.Usage{}, fmt.Errorf("reading the resource use of container %s: %w", Short(id), err)
	}
	defer func() { _ = answer.Body.Close() }()
	var s container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return cgroup.Usage{}, fmt.Errorf("reading the resource use of container %s: %w", Short(id), err)
	}
	if s.Read.Year() <= 1 {
		// That of a container that has just stopped is all zeros.
		return cgroup.Usage{}, fmt.Errorf("reading the resource use of container %s: %w", Short(id), ErrGone)
	}
	return usageOf(&s), nil
}

func usageOf(s *container.StatsResponse) cgroup.Usage {
	u := cgroup.Usage{CPU: time.Duration(s.CPUStats.CPUUsage.TotalUsage)}
	inactive, ok := s.MemoryStats.Stats["total_inactive_file"] // cgroup v1
	if !ok {
		inactive = s.MemoryStats.Stats["inactive_file"]
	}
	u.Memory = cgroup.WorkingSet(s.MemoryStats.Usage, inactive)
	for _, n := range s.Networks {
		u.NetworkReceived += n.RxBytes
		u.NetworkSent += n.TxBytes
	}
	for _, e := range s.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			u.DiskRead += e.Value
		case "write":
			u.DiskWritten += e.Value
		}
	}
	return u
}
