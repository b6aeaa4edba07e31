//go:build !unix

package sandbox

import "io/fs"

// There are no processes to be read, so any error that can't occur will do.
var errNoProcess = fs.ErrNotExist
