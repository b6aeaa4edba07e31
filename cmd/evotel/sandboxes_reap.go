package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/evotel/evotel/sandbox/docker"
)

const (
	// removals is how many run at the same time, as in the receiver.
	removals = 4
	// removeTimeout is for killing and removing a container.
	removeTimeout = 30 * time.Second
	// reapKept is a sandbox that has an owner after all.
	reapKept = "kept"
)

func interactive(in io.Reader) bool {
	file, ok := in.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// confirm asks; anything but yes is no.
func confirm(out io.Writer, in io.Reader, orphans int) bool {
	_, _ = fmt.Fprintf(out, "Remove %s and their anonymous volumes? [y/N] ", count(orphans, "orphan"))
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return false
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// reapAll removes orphans, and writes into each what came of it.
func reapAll(ctx context.Context, examiner *docker.Examiner, orphans []*judged, look time.Duration) {
	slots := make(chan struct{}, removals)
	var wg sync.WaitGroup
	for _, j := range orphans {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			reaped := examiner.Reap(ctx, j.ID, docker.Reap{Look: look, Act: removeTimeout})
			j.reap, j.reapErr = reaped.Result, reaped.Err
			if reaped.Result == "" {
				j.reap, j.verdict = reapKept, reaped.Verdict
			}
		})
	}
	wg.Wait()
}

// isPermission sees through the Docker client, which wraps some errors only in
// words.
func isPermission(err error) bool {
	return errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied")
}
