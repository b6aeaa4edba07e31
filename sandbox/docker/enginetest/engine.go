// Package enginetest is a Docker Engine made of nothing but memory, for tests
// of faults that a real one can't be made to show.
package enginetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
)

// Engine knows containers and images, and serves the calls that evotel makes.
type Engine struct {
	// Endpoint is what DOCKER_HOST would be.
	Endpoint string

	mu         sync.Mutex
	version    string
	containers map[string]Container
	images     map[string]map[string]string
	fault      func(w http.ResponseWriter, r *http.Request) bool
	calls      []string
	events     chan events.Message
}

// Container is one that the Engine has.
type Container struct {
	ID, Name, Image string
	Labels          map[string]string
	Status          string
	Created         time.Time
	Started         time.Time
	Finished        time.Time
	ExitCode        int
	OOMKilled       bool
	HostNetwork     bool
	// CPU is the time in nanoseconds that it has used.
	CPU uint64
}

// Start returns an Engine that ends with the test.
func Start(t testing.TB) *Engine {
	e := &Engine{
		version: "1.41", containers: map[string]Container{}, images: map[string]map[string]string{},
		events: make(chan events.Message, 100),
	}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	e.Endpoint = strings.Replace(server.URL, "http://", "tcp://", 1)
	return e
}

// Put adds or replaces containers. A running one has PID 0, as none is real.
func (e *Engine) Put(containers ...Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range containers {
		e.containers[c.ID] = c
	}
}

// Drop removes a container as if by another hand.
func (e *Engine) Drop(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.containers, id)
}

// Has is whether there is such a container.
func (e *Engine) Has(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.containers[id]
	return ok
}

// LabelImage adds an image with labels.
func (e *Engine) LabelImage(id string, labels map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images[id] = labels
}

// Speak sets the API version.
func (e *Engine) Speak(version string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.version = version
}

// Fail has a say in all further calls: what it returns true for is answered.
// The path has no version. Nil ends the fault.
func (e *Engine) Fail(fault func(w http.ResponseWriter, r *http.Request) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault = fault
}

// Emit sends an event to whoever listens first.
func (e *Engine) Emit(m events.Message) { e.events <- m }

// Calls returns how often a method and path, with * for ids, was asked for.
func (e *Engine) Calls(call string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, c := range e.calls {
		if c == call {
			n++
		}
	}
	return n
}

var (
	versioned = regexp.MustCompile(`^/v([0-9.]+)`)
	named     = regexp.MustCompile(`^/(containers|images)/([^/]+)(/json|/stats)?$`)
)

// ServeHTTP is the API.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	asked := versioned.FindStringSubmatch(r.URL.Path)
	r.URL.Path = versioned.ReplaceAllString(r.URL.Path, "")
	call := r.Method + " " + r.URL.Path
	var id string
	if m := named.FindStringSubmatch(r.URL.Path); m != nil && m[2] != "json" {
		id = m[2]
		call = r.Method + " /" + m[1] + "/*" + m[3]
	}
	e.calls = append(e.calls, call)
	fault, version := e.fault, e.version
	e.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	if asked != nil && asked[1] != version {
		Refuse(w, http.StatusBadRequest, "client version "+asked[1]+" does not suit")
		return
	}
	switch call {
	case "HEAD /_ping", "GET /_ping":
		w.Header().Set("Api-Version", version)
	case "GET /containers/json":
		e.list(w)
	case "GET /containers/*/json":
		e.inspect(w, id)
	case "GET /containers/*/stats":
		e.stats(w, id)
	case "DELETE /containers/*":
		e.remove(w, r, id)
	case "GET /images/*/json":
		e.image(w, id)
	case "GET /events":
		e.stream(w, r)
	default:
		Refuse(w, http.StatusNotFound, "page not found")
	}
}

// Refuse answers with an error, as an Engine does.
func Refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	answer(w, map[string]string{"message": message})
}

func answer(w http.ResponseWriter, what any) { _ = json.NewEncoder(w).Encode(what) }

func (e *Engine) list(w http.ResponseWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := []container.Summary{}
	for _, c := range e.containers {
		if c.Labels["dev.evotel.sandbox"] != "1" {
			continue
		}
		s := container.Summary{
			ID: c.ID, Names: []string{"/" + c.Name}, Image: c.Image, ImageID: c.Image,
			Created: c.Created.Unix(), Labels: c.Labels, State: c.Status,
		}
		if c.HostNetwork {
			s.HostConfig.NetworkMode = "host"
		}
		list = append(list, s)
	}
	answer(w, list)
}

func (e *Engine) inspect(w http.ResponseWriter, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.containers[id]
	if !ok {
		Refuse(w, http.StatusNotFound, "No such container: "+id)
		return
	}
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	answer(w, container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: c.ID, Name: "/" + c.Name, Image: c.Image, Created: stamp(c.Created),
			State: &container.State{
				Status: c.Status, StartedAt: stamp(c.Started), FinishedAt: stamp(c.Finished),
				ExitCode: c.ExitCode, OOMKilled: c.OOMKilled,
			},
		},
		Config: &container.Config{Labels: c.Labels, Image: c.Image},
	})
}

// stats says of memory and network the same for all.
func (e *Engine) stats(w http.ResponseWriter, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.containers[id]
	if !ok {
		Refuse(w, http.StatusNotFound, "No such container: "+id)
		return
	}
	s := container.StatsResponse{Networks: map[string]container.NetworkStats{"eth0": {RxBytes: 1000, TxBytes: 2000}}}
	if c.Status == "running" {
		s.Read = time.Now()
		s.CPUStats.CPUUsage.TotalUsage = c.CPU
		s.MemoryStats = container.MemoryStats{Usage: 1000, Stats: map[string]uint64{"inactive_file": 300}}
		s.BlkioStats.IoServiceBytesRecursive = []container.BlkioStatEntry{{Op: "read", Value: 30}, {Op: "Write", Value: 40}}
	}
	answer(w, s)
}

func (e *Engine) remove(w http.ResponseWriter, r *http.Request, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.containers[id]
	switch {
	case !ok:
		Refuse(w, http.StatusNotFound, "No such container: "+id)
	case c.Status == "running" && r.URL.Query().Get("force") != "1":
		Refuse(w, http.StatusConflict, "You cannot remove a running container "+id)
	default:
		delete(e.containers, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (e *Engine) image(w http.ResponseWriter, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	labels, ok := e.images[id]
	if !ok {
		Refuse(w, http.StatusNotFound, "No such image: "+id)
		return
	}
	answer(w, map[string]any{"Id": id, "Config": map[string]any{"Labels": labels}})
}

func (e *Engine) stream(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	_ = flush.Flush()
	for {
		select {
		case m := <-e.events:
			answer(w, m)
			_ = flush.Flush()
		case <-r.Context().Done():
			return
		}
	}
}
