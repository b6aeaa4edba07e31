package dockerorphanreceiver

import (
	"context"
	"sync"

	"go.uber.org/zap"

	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
)

// questions bounds how many the Engine is asked at the same time.
const questions = 8

// meter reads what containers use from their cgroup's files, and asks the
// Engine only where they are not to be seen.
type meter struct {
	client *docker.Client
	cgroup *cgroup.Reader // nil if there are no files
	// blind holds containers whose files could not be found, so that they are
	// not looked for on each scan.
	blind map[string]bool
	told  bool
	log   *zap.Logger
}

func newMeter(cfg *Config, client *docker.Client, log *zap.Logger) *meter {
	m := &meter{client: client, blind: map[string]bool{}, log: log}
	if cfg.HostCgroup != "" {
		if r := cgroup.NewReader(cfg.HostCgroup, cfg.HostProc); r.Available() {
			m.cgroup = r
		}
	}
	return m
}

// measure fills in the usage of those that run.
func (m *meter) measure(ctx context.Context, found []finding) {
	var ask []*finding
	for i := range found {
		f := &found[i]
		if !f.running() {
			continue
		}
		if f.usage, f.used = m.read(ctx, f); !f.used && (m.cgroup == nil || m.blind[f.ID]) {
			ask = append(ask, f)
		}
	}
	if len(ask) > 0 && !m.told {
		m.told = true
		m.log.Warn("Cgroup files of sandboxes are not visible here; asking the Engine instead, which costs it far more. See host_cgroup and host_proc.",
			zap.Int("sandboxes", len(ask)), zap.String("container", docker.Short(ask[0].ID)))
	}
	each(ask, func(f *finding) {
		if u, err := m.client.Stats(ctx, f.ID); err == nil {
			f.usage, f.used = u, true
		}
	})
	for i := range found {
		if found[i].Network == docker.NetworkHost {
			// The interfaces, and what goes through them, are the host's.
			found[i].usage.NetworkReceived, found[i].usage.NetworkSent = 0, 0
		}
	}
	m.forget(found)
}

// read reads the files, and asks the Engine once for where they are.
func (m *meter) read(ctx context.Context, f *finding) (cgroup.Usage, bool) {
	id, network := f.ID, f.Network == docker.NetworkOwn
	if m.cgroup == nil || m.blind[id] {
		return cgroup.Usage{}, false
	}
	u, err := m.cgroup.Read(id, network)
	if err == nil {
		return u, true
	}
	c, err := m.client.Inspect(ctx, id)
	if err != nil || c.PID == 0 {
		return cgroup.Usage{}, false // it has just stopped, or the Engine is slow
	}
	if m.cgroup.Learn(id, c.PID) == nil {
		if u, err := m.cgroup.Read(id, network); err == nil {
			return u, true
		}
	}
	// Unless it has stopped meanwhile, which leaves nothing to see.
	if now, err := m.client.Inspect(ctx, id); err == nil && now.PID == c.PID {
		m.blind[id] = true
	}
	return cgroup.Usage{}, false
}

// forget drops what is remembered of containers that are gone.
func (m *meter) forget(found []finding) {
	there := make(map[string]bool, len(found))
	for _, f := range found {
		there[f.ID] = true
	}
	for id := range m.blind {
		if !there[id] {
			delete(m.blind, id)
		}
	}
	if m.cgroup != nil {
		m.cgroup.Retain(func(id string) bool { return there[id] })
	}
}

// each does something with all items, some of them at the same time.
func each[T any](items []T, do func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, questions)
	for _, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(item)
		})
	}
	wg.Wait()
}
