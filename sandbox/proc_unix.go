//go:build unix

package sandbox

import "syscall"

const errNoProcess = syscall.ESRCH
