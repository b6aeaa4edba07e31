package sandbox

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	cgroupContainer = regexp.MustCompile(`(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)`)
	mountContainer  = regexp.MustCompile(`/containers/([0-9a-f]{64})/`)
)

// ContainerOf returns the id of the container that a process runs in, or "".
func (p Proc) ContainerOf(pid int) string { return p.containerOf(strconv.Itoa(pid)) }

func (p Proc) containerOf(process string) string {
	if id := containerInCgroup(p.read(process, "cgroup")); id != "" {
		return id
	}
	// With a cgroup namespace of its own (the default on cgroup v2) a container
	// only sees "0::/"; its /etc/hostname still comes from the engine.
	for _, source := range hostFileMounts(p.read(process, "mountinfo")) {
		if m := mountContainer.FindStringSubmatch(source); m != nil {
			return m[1]
		}
	}
	return ""
}

// containerInCgroup reads /proc/PID/cgroup: lines of "ID:CONTROLLERS:PATH". The
// innermost container counts.
func containerInCgroup(file string) string {
	for line := range strings.Lines(file) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		elems := strings.Split(parts[2], "/")
		for _, elem := range slices.Backward(elems) {
			if m := cgroupContainer.FindStringSubmatch(elem); m != nil {
				return m[1]
			}
		}
	}
	return ""
}

// bindsHostFiles is whether the process sees files of /etc that all container
// engines bind into their containers.
func (p Proc) bindsHostFiles(process string) bool {
	return len(hostFileMounts(p.read(process, "mountinfo"))) > 0
}

// hostFileMounts reads /proc/PID/mountinfo, and returns the sources of those
// files. Other mounts don't count: a host sees those of its containers, too.
func hostFileMounts(file string) []string {
	var sources []string
	for line := range strings.Lines(file) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		switch fields[4] {
		case "/etc/hostname", "/etc/hosts":
			sources = append(sources, fields[3])
		}
	}
	return sources
}
