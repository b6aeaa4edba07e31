//go:build !unix

package cgroup

import "os"

// readInto appends what is in a file to b.
func readInto(b []byte, file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	return append(b, content...), err
}
