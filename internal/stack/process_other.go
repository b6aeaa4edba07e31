//go:build !linux

package stack

import (
	"os"
	"syscall"
)

// Only Linux can end a child with its parent.
func childAttributes() *syscall.SysProcAttr { return nil }

func killGroup(process *os.Process) { _ = process.Kill() }
