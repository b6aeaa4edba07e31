package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCallerIsWhoWantsTheSandbox(t *testing.T) {
	// Each chain begins with evotel's parent, and goes up to the first process.
	for _, test := range []struct {
		name  string
		chain []string // command lines; PIDs are 100, 99, … and 1 for the last
		want  int
	}{
		{"a program", []string{"python3 loop.py", "-bash", "init"}, 100},
		{"a script", []string{"/bin/sh ./loop.sh", "-bash", "init"}, 100},
		{"an interactive shell", []string{"-bash", "sshd: user", "init"}, 100},
		{"a subshell of a script", []string{"bash ./loop.sh", "bash ./loop.sh", "-bash", "init"}, 99},
		{"subshells in each other", []string{"-zsh", "-zsh", "-zsh", "login", "init"}, 98},
		{"one command of a program", []string{"/bin/sh -c docker", "python3 loop.py", "-bash", "init"}, 99},
		{"a subshell of one command", []string{"sh -c docker", "sh -c docker", "python3 loop.py", "bash", "init"}, 98},
		{"options before the command", []string{"bash -euo pipefail -c docker", "make", "bash", "init"}, 99},
		{"long options before the command", []string{"bash --norc -lc docker", "make", "bash", "init"}, 99},
		{"options of a script", []string{"bash -eu ./loop.sh -c x", "bash", "init"}, 100},
		{"a script that sets options by name", []string{"bash -o errexit ./loop.sh", "bash", "init"}, 100},
		{"a wrapper", []string{"sudo evotel labels", "sudo evotel labels", "sh loop.sh", "bash", "init"}, 98},
		{"another program of the same command line is no subshell", []string{"python3 loop.py", "python3 loop.py", "init"}, 100},
		{"the first process of a container", []string{"python3 loop.py"}, 1},
		{"one command that the first process runs", []string{"sh -c docker", "init"}, 100},
		{"no command line at all", []string{"", "init"}, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			above := map[int]ancestor{}
			pid := func(i int) int {
				if i == len(test.chain)-1 {
					return 1
				}
				return 100 - i
			}
			for i, command := range test.chain {
				a := ancestor{pid: pid(i), argv: strings.Fields(command)}
				if i+1 < len(test.chain) {
					a.parent = pid(i + 1)
				}
				above[a.pid] = a
			}
			got, ok := caller(pid(0), func(pid int) (ancestor, bool) {
				a, ok := above[pid]
				return a, ok
			})
			require.True(t, ok)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestCallerThatCantBeSeen(t *testing.T) {
	_, ok := caller(0, func(int) (ancestor, bool) { return ancestor{}, false })
	assert.False(t, ok)
}

func TestLookInProc(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("SKIPPED: there is no /proc here")
	}
	self, ok := lookInProc(os.Getpid())
	require.True(t, ok)
	assert.Equal(t, ancestor{pid: os.Getpid(), parent: os.Getppid(), argv: os.Args}, self)
	_, ok = lookInProc(1 << 30)
	assert.False(t, ok)
}
