package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A sandbox is an orphan once its owner has ended, so the owner must not be a
// process that only lives to call evotel. Between evotel and whoever wants the
// sandbox there can be
//   - subshells: a shell may fork itself for $(…), a pipeline or (…);
//   - shells that were started for one command: sh -c '…', as Python's
//     shell=True, make and cron do;
//   - wrappers: sudo evotel …, timeout 5 evotel ….
//
// Where in doubt, the ancestor that lives longer is taken: its sandboxes are
// found later, but never too early.
var (
	shells   = []string{"ash", "bash", "busybox", "dash", "fish", "ksh", "mksh", "sh", "zsh"}
	wrappers = []string{"doas", "env", "go", "nice", "parallel", "runuser", "script", "setsid", "strace", "su", "sudo", "time", "timeout", "xargs"}
)

// ancestor is a process above evotel.
type ancestor struct {
	pid, parent int
	argv        []string
}

func (a ancestor) program() string {
	if len(a.argv) == 0 {
		return ""
	}
	return filepath.Base(strings.TrimPrefix(a.argv[0], "-")) // of a login shell
}

func (a ancestor) isShell() bool { return slices.Contains(shells, a.program()) }

// runsOneCommand is whether a shell was started with -c.
func (a ancestor) runsOneCommand() bool {
	for i := 1; i < len(a.argv); i++ {
		arg := a.argv[i]
		switch {
		case strings.HasPrefix(arg, "--"):
		case len(arg) < 2 || arg[0] != '-' && arg[0] != '+':
			return false // a script, whatever follows
		case arg[0] == '-' && strings.ContainsRune(arg, 'c'):
			return true
		case strings.HasSuffix(arg, "o"), strings.HasSuffix(arg, "O"):
			i++ // the name of an option
		}
	}
	return false
}

// caller returns the process that wants the sandbox, going up from the parent
// of evotel; false if it can't be seen.
func caller(parent int, look func(pid int) (ancestor, bool)) (int, bool) {
	a, ok := look(parent)
	if !ok {
		return 0, false
	}
	for {
		above, ok := look(a.parent)
		// The first process is nobody's caller.
		if !ok || above.pid <= 1 {
			return a.pid, true
		}
		subshell := slices.Equal(a.argv, above.argv)
		passing := slices.Contains(wrappers, a.program()) || a.isShell() && (subshell || a.runsOneCommand())
		if !passing {
			return a.pid, true
		}
		a = above
	}
}

// lookInProc reads /proc.
func lookInProc(pid int) (ancestor, bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return ancestor{}, false
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return ancestor{}, false
	}
	a := ancestor{pid: pid, argv: strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "PPid:"); ok {
			a.parent, err = strconv.Atoi(strings.TrimSpace(value))
			return a, err == nil
		}
	}
	return ancestor{}, false
}
