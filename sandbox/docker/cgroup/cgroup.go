// Package cgroup reads the resource use of containers from the kernel's files,
// with no help from the container engine.
package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNotVisible is that the container was not found where the reader looks.
var ErrNotVisible = errors.New("its cgroup is not visible")

// Usage is what a container has used.
type Usage struct {
	// CPU time since the container started.
	CPU time.Duration
	// Memory is the working set in bytes: usage less inactive file pages, which
	// the kernel drops before it runs out.
	Memory uint64
	// Bytes over all network interfaces but loopback, since it started.
	NetworkReceived, NetworkSent uint64
	// Bytes from and to block devices, since it started.
	DiskRead, DiskWritten uint64
}

// WorkingSet is usage less inactive file pages, in bytes. The kernel reads the
// two at different moments, so inactive can be the larger one.
func WorkingSet(usage, inactive uint64) uint64 {
	if inactive > usage {
		return 0
	}
	return usage - inactive
}

// Reader finds and reads the cgroups of containers. It is for one goroutine.
type Reader struct {
	root, proc string
	v2         bool
	// parents are the directories, below a controller's root, in which
	// containers were found, the last one first.
	parents []string
	// pids holds a process of each container whose processes the cgroup files
	// don't number for us.
	pids map[string]int
	// places remembers where containers were found, which spares half the reads.
	places map[string]place
	// blkio names the block I/O files that the kernel has; nil if not known yet.
	blkio  []string
	buffer []byte
}

// place is where a container's files are.
type place struct {
	path string // below a controller's root
	pid  string // one of its processes
	cpu  time.Duration
	// told is whether the process is one that we were told of, which has to be
	// verified each time.
	told bool
}

// NewReader returns a reader of the cgroups mounted at root (usually
// /sys/fs/cgroup) and the processes at proc.
func NewReader(root, proc string) *Reader {
	_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
	return &Reader{
		root: root, proc: proc, v2: err == nil,
		// cgroupfs and systemd drivers.
		parents: []string{"docker", "system.slice"},
		pids:    map[string]int{}, places: map[string]place{},
	}
}

// Available is whether there is anything to read at all.
func (r *Reader) Available() bool {
	if r.v2 {
		return true
	}
	_, err := os.Stat(filepath.Join(r.root, "memory"))
	return err == nil
}

// Learn finds out where the container's cgroup is from one of its processes, as
// proc numbers them. Containers next to it are then found too.
func (r *Reader) Learn(id string, pid int) error {
	b, err := os.ReadFile(filepath.Join(r.proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return fmt.Errorf("finding the cgroup of container %.12s: %w", id, err)
	}
	for _, path := range containerPaths(string(b), id) {
		// Where the reader is in a container itself, its files begin further
		// down than the path does.
		for parent := strings.Trim(filepath.Dir(path), "/."); ; {
			if leaf, _ := r.leaf(parent, id); leaf != "" {
				r.parents = slices.Insert(slices.DeleteFunc(r.parents, func(p string) bool { return p == parent }), 0, parent)
				r.parents = r.parents[:min(len(r.parents), maxParents)]
				r.pids[id] = pid
				return nil
			}
			_, rest, more := strings.Cut(parent, "/")
			if !more && parent == "" {
				break
			}
			parent = rest
		}
	}
	return fmt.Errorf("finding the cgroup of container %.12s: %w", id, ErrNotVisible)
}

// maxParents bounds where containers are looked for: one place for each
// --cgroup-parent in use, and more if need be.
const maxParents = 64

// Retain forgets the containers that keep does not name.
func (r *Reader) Retain(keep func(id string) bool) {
	maps.DeleteFunc(r.pids, func(id string, _ int) bool { return !keep(id) })
	maps.DeleteFunc(r.places, func(id string, _ place) bool { return !keep(id) })
}

// containerPaths returns the paths in a /proc/PID/cgroup that lead to the
// container. Its processes can have cgroups of their own further down.
func containerPaths(file, id string) []string {
	var paths []string
	for line := range strings.Lines(file) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		elems := strings.Split(parts[2], "/")
		i := slices.IndexFunc(elems, func(elem string) bool { return strings.Contains(elem, id) })
		if path := strings.Join(elems[:i+1], "/"); i >= 0 && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// leaf returns the container's directory below a controller's root, or "", and
// the processes in it.
func (r *Reader) leaf(parent, id string) (path, procs string) {
	for _, name := range []string{id, "docker-" + id + ".scope"} {
		path := filepath.Join(parent, name)
		if b, err := r.read(r.file("memory", path, "cgroup.procs")); err == nil {
			return path, string(b)
		}
	}
	return "", ""
}

func (r *Reader) file(controller, path, name string) string {
	if r.v2 {
		return filepath.Join(r.root, path, name)
	}
	return filepath.Join(r.root, controller, path, name)
}

// Read returns a container's use, or ErrNotVisible if that takes Learn first.
// One that has no network of its own has no network figures either.
func (r *Reader) Read(id string, network bool) (Usage, error) {
	at, known := r.places[id]
	if known {
		u, err := r.readAt(at, network)
		// Where it has used less than before it was restarted, and its process
		// is another one.
		if err == nil && u.CPU >= at.cpu {
			at.cpu = u.CPU
			r.places[id] = at
			return u, nil
		}
		delete(r.places, id)
	}
	at, err := r.find(id, network)
	if err == nil {
		var u Usage
		if u, err = r.readAt(at, network); err == nil {
			if at.cpu = u.CPU; !at.told {
				r.places[id] = at
			}
			return u, nil
		}
	}
	return Usage{}, fmt.Errorf("reading the cgroup of container %.12s: %w", id, err)
}

// find looks for the container's files.
func (r *Reader) find(id string, network bool) (place, error) {
	for _, parent := range r.parents {
		path, procs := r.leaf(parent, id)
		if path == "" {
			continue
		}
		at := place{path: path}
		if !network {
			return at, nil
		}
		at.pid, _, _ = strings.Cut(strings.TrimSpace(procs), "\n")
		if at.pid == "" || at.pid == "0" {
			// Its processes are outside our own PID namespace, or have cgroups of
			// their own further down.
			known, ok := r.pids[id]
			if !ok {
				return at, ErrNotVisible
			}
			at.pid, at.told = strconv.Itoa(known), true
			if of, err := os.ReadFile(filepath.Join(r.proc, at.pid, "cgroup")); err != nil || len(containerPaths(string(of), id)) == 0 {
				// Somebody else has its number by now.
				delete(r.pids, id)
				return at, ErrNotVisible
			}
		}
		return at, nil
	}
	return place{}, ErrNotVisible
}

func (r *Reader) readAt(at place, network bool) (Usage, error) {
	read := r.readV1
	if r.v2 {
		read = r.readV2
	}
	u, err := read(at.path)
	if err != nil || !network {
		return u, err
	}
	b, err := r.read(filepath.Join(r.proc, at.pid, "net", "dev"))
	if err != nil {
		return Usage{}, err
	}
	u.NetworkReceived, u.NetworkSent = netDev(string(b))
	return u, nil
}

func (r *Reader) readV1(path string) (Usage, error) {
	cpu, err := r.readNumber(r.file("cpuacct", path, "cpuacct.usage"))
	if err != nil {
		return Usage{}, err
	}
	memory, err := r.readNumber(r.file("memory", path, "memory.usage_in_bytes"))
	if err != nil {
		return Usage{}, err
	}
	stat, err := r.read(r.file("memory", path, "memory.stat"))
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		CPU:    time.Duration(cpu),
		Memory: WorkingSet(memory, field(string(stat), "total_inactive_file")),
	}
	for _, name := range r.blockFiles(path) {
		b, err := r.read(r.file("blkio", path, name))
		if err != nil {
			continue
		}
		if u.DiskRead, u.DiskWritten = blkio(string(b)); u.DiskRead+u.DiskWritten > 0 {
			break
		}
	}
	return u, nil
}

// blockFiles returns the files that may tell of block I/O. Which of them a
// kernel has, and which it counts in, depends on its schedulers; where it counts
// in none the figures are 0.
func (r *Reader) blockFiles(path string) []string {
	if r.blkio == nil {
		r.blkio = []string{}
		for _, name := range []string{"blkio.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"} {
			if len(r.blkio) > 0 && name == "blkio.throttle.io_service_bytes" && r.blkio[len(r.blkio)-1] == "blkio.throttle.io_service_bytes_recursive" {
				continue // it has nothing to add
			}
			if _, err := os.Stat(r.file("blkio", path, name)); err == nil {
				r.blkio = append(r.blkio, name)
			}
		}
	}
	return r.blkio
}

func (r *Reader) readV2(path string) (Usage, error) {
	cpu, err := r.read(r.file("", path, "cpu.stat"))
	if err != nil {
		return Usage{}, err
	}
	used := time.Duration(field(string(cpu), "usage_usec")) * time.Microsecond
	memory, err := r.readNumber(r.file("", path, "memory.current"))
	if err != nil {
		return Usage{}, err
	}
	stat, err := r.read(r.file("", path, "memory.stat"))
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		CPU:    used,
		Memory: WorkingSet(memory, field(string(stat), "inactive_file")),
	}
	// Absent where the io controller was not delegated, as in rootless mode.
	if b, err := r.read(r.file("", path, "io.stat")); err == nil {
		u.DiskRead, u.DiskWritten = ioStat(string(b))
	}
	return u, nil
}
