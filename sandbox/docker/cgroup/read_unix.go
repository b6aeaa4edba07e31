//go:build unix

package cgroup

import (
	"io/fs"
	"slices"
	"syscall"
)

// readInto appends what is in a file to b. These files are read by the thousand,
// and os.File would also ask the kernel for their size and to be told of changes.
func readInto(b []byte, file string) ([]byte, error) {
	fd, err := retry(func() (int, error) { return syscall.Open(file, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return b, &fs.PathError{Op: "open", Path: file, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }()
	for {
		b = slices.Grow(b, 4096)
		n, err := retry(func() (int, error) { return syscall.Read(fd, b[len(b):cap(b)]) })
		if err != nil {
			return b, &fs.PathError{Op: "read", Path: file, Err: err}
		}
		if n <= 0 {
			return b, nil
		}
		b = b[:len(b)+n]
	}
}

// retry is for calls that a signal has interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR { //nolint:errorlint // it comes unwrapped
			return n, err
		}
	}
}
