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

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/semconv"
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
			j.reap, j.reapErr = reap(ctx, examiner, j, look)
		})
	}
	wg.Wait()
}

// reap looks once more, since time has passed, and removes what is an orphan
// still, by the receiver's rules.
func reap(ctx context.Context, examiner *docker.Examiner, j *judged, timeout time.Duration) (string, error) {
	look, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fresh, err := examiner.Client.Inspect(look, j.ID)
	if errors.Is(err, docker.ErrGone) || err == nil && fresh.ID != j.ID {
		return semconv.ReapGone, nil
	}
	if err != nil {
		return semconv.ReapFailed, err
	}
	verdict := examiner.Examine().Judge(look, fresh)
	if verdict.Kind != sandbox.Orphan {
		j.verdict = verdict
		return reapKept, nil
	}
	act, cancelAct := context.WithTimeout(ctx, removeTimeout)
	defer cancelAct()
	remove := examiner.Client.Remove
	if verdict.Reason == sandbox.ReasonExited {
		// Its owner lives, and may start it again at this moment.
		remove = examiner.Client.RemoveStopped
	}
	err = remove(act, j.ID)
	switch {
	case err == nil:
		return semconv.ReapRemoved, nil
	case errors.Is(err, docker.ErrRunning):
		j.verdict = sandbox.Verdict{Kind: sandbox.Live}
		return reapKept, nil
	case errors.Is(err, docker.ErrGone), errors.Is(err, docker.ErrInProgress):
		return semconv.ReapGone, nil
	}
	return semconv.ReapFailed, err
}

// isPermission sees through the Docker client, which wraps some errors only in
// words.
func isPermission(err error) bool {
	return errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied")
}
