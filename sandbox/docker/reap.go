package docker

import (
	"context"
	"errors"
	"time"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/semconv"
)

// Reap bounds what removing one orphan may take, and says whether to do it.
type Reap struct {
	// Look bounds the last look, Act the removal.
	Look, Act time.Duration
	// DryRun only looks.
	DryRun bool
}

// Reaped is what came of it.
type Reaped struct {
	// Result is one of semconv's Reap values; empty if the sandbox was kept,
	// since it is no orphan any more.
	Result string
	// Verdict is that of the last look; zero if nothing was seen.
	Verdict sandbox.Verdict
	// Err is why, for semconv.ReapFailed.
	Err error
}

// Reap looks once more at a container that was an orphan, since time has passed,
// and removes it if it is one still: by id, with its anonymous volumes. That it
// has gone, or that somebody else is removing it, is as good.
func (e *Examiner) Reap(ctx context.Context, id string, r Reap) Reaped {
	look, cancel := context.WithTimeout(ctx, r.Look)
	defer cancel()
	fresh, err := e.Client.Inspect(look, id)
	if errors.Is(err, ErrGone) || err == nil && fresh.ID != id {
		return Reaped{Result: semconv.ReapGone}
	}
	if err != nil {
		return Reaped{Result: semconv.ReapFailed, Err: err}
	}
	verdict := e.Examine().Judge(look, fresh)
	switch {
	case verdict.Reason == sandbox.ReasonDockerUnreadable:
		return Reaped{Result: semconv.ReapFailed, Verdict: verdict, Err: errors.New(verdict.Explain())}
	case verdict.Kind != sandbox.Orphan:
		return Reaped{Verdict: verdict}
	case r.DryRun:
		return Reaped{Result: semconv.ReapDryRun, Verdict: verdict}
	}
	act, cancelAct := context.WithTimeout(ctx, r.Act)
	defer cancelAct()
	remove := e.Client.Remove
	if verdict.Reason == sandbox.ReasonExited {
		// Its owner lives, and may start it again at this moment.
		remove = e.Client.RemoveStopped
	}
	err = remove(act, id)
	switch {
	case err == nil:
		return Reaped{Result: semconv.ReapRemoved, Verdict: verdict}
	case errors.Is(err, ErrRunning):
		return Reaped{Verdict: sandbox.Verdict{Kind: sandbox.Live}}
	case errors.Is(err, ErrGone), errors.Is(err, ErrInProgress):
		return Reaped{Result: semconv.ReapGone, Verdict: verdict}
	}
	return Reaped{Result: semconv.ReapFailed, Verdict: verdict, Err: err}
}
