// Package cgroup reads the resource use of containers from the kernel's files,
// with no help from the container engine.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNotVisible: the container's cgroup was not found where the reader looks.
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
}

// NewReader returns a reader of the cgroups mounted at root (usually
// /sys/fs/cgroup) and the processes at proc.
func NewReader(root, proc string) *Reader {
	_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
	return &Reader{
		root: root, proc: proc, v2: err == nil,
		// cgroupfs and systemd drivers.
		parents: []string{"docker", "system.slice"},
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

// Learn finds out where the container's cgroup is from one of its processes.
// Containers next to it are then found too.
func (r *Reader) Learn(id string, pid int) error {
	b, err := os.ReadFile(filepath.Join(r.proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return fmt.Errorf("finding the cgroup of container %.12s: %w", id, err)
	}
	for _, path := range containerPaths(string(b), id) {
		// Where the reader is in a container itself, its files begin further
		// down than the path does.
		for parent := strings.Trim(filepath.Dir(path), "/."); ; {
			if r.leaf(parent, id) != "" {
				r.parents = slices.Insert(slices.DeleteFunc(r.parents, func(p string) bool { return p == parent }), 0, parent)
				return nil
			}
			_, rest, more := strings.Cut(parent, "/")
			if !more {
				break
			}
			parent = rest
		}
	}
	return fmt.Errorf("finding the cgroup of container %.12s: %w", id, ErrNotVisible)
}

// containerPaths returns the paths in a /proc/PID/cgroup that end in the
// container.
func containerPaths(file, id string) []string {
	var paths []string
	for line := range strings.Lines(file) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || !strings.Contains(filepath.Base(parts[2]), id) || slices.Contains(paths, parts[2]) {
			continue
		}
		paths = append(paths, parts[2])
	}
	return paths
}

// leaf returns the container's directory below a controller's root, or "".
func (r *Reader) leaf(parent, id string) string {
	for _, name := range []string{id, "docker-" + id + ".scope"} {
		path := filepath.Join(parent, name)
		if _, err := os.Stat(r.file("memory", path, "cgroup.procs")); err == nil {
			return path
		}
	}
	return ""
}

func (r *Reader) file(controller, path, name string) string {
	if r.v2 {
		return filepath.Join(r.root, path, name)
	}
	return filepath.Join(r.root, controller, path, name)
}

// Read returns a container's use, or ErrNotVisible.
func (r *Reader) Read(id string) (Usage, error) {
	for _, parent := range r.parents {
		path := r.leaf(parent, id)
		if path == "" {
			continue
		}
		var u Usage
		var err error
		if r.v2 {
			u, err = r.readV2(path)
		} else {
			u, err = r.readV1(path)
		}
		if err != nil {
			return Usage{}, fmt.Errorf("reading the cgroup of container %.12s: %w", id, err)
		}
		u.NetworkReceived, u.NetworkSent = r.network(path)
		return u, nil
	}
	return Usage{}, fmt.Errorf("reading the cgroup of container %.12s: %w", id, ErrNotVisible)
}

func (r *Reader) readV1(path string) (Usage, error) {
	cpu, err := readNumber(r.file("cpuacct", path, "cpuacct.usage"))
	if err != nil {
		return Usage{}, err
	}
	memory, err := readNumber(r.file("memory", path, "memory.usage_in_bytes"))
	if err != nil {
		return Usage{}, err
	}
	stat, err := os.ReadFile(r.file("memory", path, "memory.stat"))
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		CPU:    time.Duration(cpu),
		Memory: WorkingSet(memory, field(string(stat), "total_inactive_file")),
	}
	// Not every kernel accounts block I/O; the figures are then 0.
	for _, name := range []string{"blkio.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"} {
		b, err := os.ReadFile(r.file("blkio", path, name))
		if err != nil {
			continue
		}
		if u.DiskRead, u.DiskWritten = blkio(string(b)); u.DiskRead+u.DiskWritten > 0 {
			break
		}
	}
	return u, nil
}

func (r *Reader) readV2(path string) (Usage, error) {
	cpu, err := os.ReadFile(r.file("", path, "cpu.stat"))
	if err != nil {
		return Usage{}, err
	}
	memory, err := readNumber(r.file("", path, "memory.current"))
	if err != nil {
		return Usage{}, err
	}
	stat, err := os.ReadFile(r.file("", path, "memory.stat"))
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		CPU:    time.Duration(field(string(cpu), "usage_usec")) * time.Microsecond,
		Memory: WorkingSet(memory, field(string(stat), "inactive_file")),
	}
	// Absent where the io controller was not delegated, as in rootless mode.
	if b, err := os.ReadFile(r.file("", path, "io.stat")); err == nil {
		u.DiskRead, u.DiskWritten = ioStat(string(b))
	}
	return u, nil
}

// network sums the interfaces in the network namespace of a process of the
// container. It is 0 where that process is not visible.
func (r *Reader) network(path string) (received, sent uint64) {
	procs, err := os.ReadFile(r.file("memory", path, "cgroup.procs"))
	if err != nil {
		return 0, 0
	}
	pid, _, _ := strings.Cut(strings.TrimSpace(string(procs)), "\n")
	if pid == "" || pid == "0" {
		return 0, 0
	}
	b, err := os.ReadFile(filepath.Join(r.proc, pid, "net", "dev"))
	if err != nil {
		return 0, 0
	}
	return netDev(string(b))
}

// readNumber reads a file that holds one number.
func readNumber(file string) (uint64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// field returns the number after a name in lines of "NAME NUMBER", or 0.
func field(file, name string) uint64 {
	for line := range strings.Lines(file) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}

// blkio sums lines of "MAJOR:MINOR OPERATION BYTES".
func blkio(file string) (read, written uint64) {
	for line := range strings.Lines(file) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		n, err := strconv.ParseUint(fields[2], 10, 64)
		if err != nil {
			continue
		}
		switch fields[1] {
		case "Read":
			read += n
		case "Write":
			written += n
		}
	}
	return read, written
}

// ioStat sums lines of "MAJOR:MINOR rbytes=N wbytes=N …".
func ioStat(file string) (read, written uint64) {
	for word := range strings.FieldsSeq(file) {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			continue
		}
		switch key {
		case "rbytes":
			read += n
		case "wbytes":
			written += n
		}
	}
	return read, written
}

// netDev sums /proc/PID/net/dev: "NAME: RECEIVED … (8 fields) SENT …".
func netDev(file string) (received, sent uint64) {
	for line := range strings.Lines(file) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "lo" {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) < 9 {
			continue
		}
		rx, errRx := strconv.ParseUint(fields[0], 10, 64)
		tx, errTx := strconv.ParseUint(fields[8], 10, 64)
		if errRx == nil && errTx == nil {
			received += rx
			sent += tx
		}
	}
	return received, sent
}
