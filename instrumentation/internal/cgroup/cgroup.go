// Package cgroup finds the memory limit that applies to a process, and how much
// of it is in use, in cgroup v1, v2 and hybrid hierarchies.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// ErrNoLimit says that no cgroup limits the process's memory.
var ErrNoLimit = errors.New("no memory limit applies")

// Memory is the use of the cgroup whose limit applies.
type Memory struct {
	// Usage is the working set in bytes: what the kernel counts against the
	// limit, less the file pages that it would give up first.
	Usage int64
	// Limit is in bytes.
	Limit int64
}

// ReadMemory reads the memory of the process itself. root is the file system's
// root. Of the process's cgroup and its ancestors, the one with the least left
// is what applies: a limit on an ancestor binds too.
func ReadMemory(root fs.FS) (Memory, error) {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return Memory{}, fmt.Errorf("reading the process's cgroups: %w", err)
	}
	v1, v2, err := parseMembership(string(membership))
	if err != nil {
		return Memory{}, err
	}
	if v1 != "" {
		return mostUsed(root, "sys/fs/cgroup/memory", v1, readV1)
	}
	for _, mount := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
		if _, err := fs.Stat(root, path.Join(mount, "cgroup.controllers")); err == nil {
			return mostUsed(root, mount, v2, readV2)
		}
	}
	return Memory{}, ErrNoLimit
}

// parseMembership reads /proc/PID/cgroup: lines of "ID:controllers:path", with
// ID 0 and no controllers for v2. v1 is "" where v1 doesn't control memory.
func parseMembership(s string) (v1, v2 string, err error) {
	for line := range strings.Lines(s) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			return "", "", fmt.Errorf("reading the process's cgroups: malformed line %q", line)
		}
		if fields[0] == "0" && fields[1] == "" {
			v2 = fields[2]
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			if controller == "memory" {
				v1 = fields[2]
			}
		}
	}
	return v1, v2, nil
}

// mostUsed walks from the process's cgroup up to the mount's root and returns the
// memory of the cgroup with the least left.
func mostUsed(root fs.FS, mount, group string, read func(fs.FS, string) (Memory, error)) (Memory, error) {
	found, best, err := false, Memory{}, error(nil)
	// In a container without a cgroup namespace the path is the host's and isn't
	// visible here; the mount's root is the container then.
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		m, readErr := read(root, path.Join(mount, dir))
		switch {
		case readErr == nil:
			if !found || m.Limit-m.Usage < best.Limit-best.Usage {
				found, best = true, m
			}
		case !errors.Is(readErr, ErrNoLimit) && !errors.Is(readErr, fs.ErrNotExist):
			err = errors.Join(err, readErr)
		}
		if dir == "/" {
			break
		}
	}
	switch {
	case found:
		return best, nil
	case err != nil:
		return Memory{}, err
	default:
		return Memory{}, ErrNoLimit
	}
}

func readV1(root fs.FS, dir string) (Memory, error) {
	return readGroup(root, dir, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
}

func readV2(root fs.FS, dir string) (Memory, error) {
	return readGroup(root, dir, "memory.max", "memory.current", "inactive_file")
}

func readGroup(root fs.FS, dir, limitFile, usageFile, inactive string) (Memory, error) {
	limit, err := readNumber(root, path.Join(dir, limitFile))
	if err != nil {
		return Memory{}, err
	}
	// v1 says "none" by the largest number of whole pages, v2 by "max".
	if limit > math.MaxInt64-1<<20 {
		return Memory{}, ErrNoLimit
	}
	usage, err := readNumber(root, path.Join(dir, usageFile))
	if err != nil {
		return Memory{}, err
	}
	stat, err := fs.ReadFile(root, path.Join(dir, "memory.stat"))
	if err != nil {
		return Memory{}, fmt.Errorf("reading memory.stat of cgroup %s: %w", dir, err)
	}
	for line := range strings.Lines(string(stat)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), inactive+" "); ok {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
				usage = max(usage-n, 0)
			}
		}
	}
	return Memory{Usage: usage, Limit: limit}, nil
}

func readNumber(root fs.FS, name string) (int64, error) {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", name, err)
	}
	s := strings.TrimSpace(string(data))
	if s == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("reading %s: %q is not a number of bytes", name, s)
	}
	return n, nil
}
