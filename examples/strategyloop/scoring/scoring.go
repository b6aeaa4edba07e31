// Package scoring has candidates scored where they can't do harm: each in a
// Docker container of its own, or, where there is no Docker, at least in a
// process of its own. Both run this program's own "score" command.
package scoring

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/evotel/evotel/examples/strategyloop/strategy"
)

// Kind is where candidates are scored.
type Kind string

// Where candidates are scored.
const (
	// Auto is Docker if it works, else Subprocess.
	Auto       Kind = "auto"
	InDocker   Kind = "docker"
	Subprocess Kind = "subprocess"
)

// Options says how candidates are scored.
type Options struct {
	RunID string
	// Data is the CSV of prices, DataFile where it comes from; empty if it is
	// embedded.
	Data     []byte
	DataFile string
	// Timeout is what one evaluation may take, all included.
	Timeout time.Duration
	// DockerHost is the Engine's address; empty for DOCKER_HOST, or else the
	// default socket.
	DockerHost string
	Log        *slog.Logger
}

// Job is a candidate to be scored.
type Job struct {
	// Candidate is a strategy.Candidate in JSON.
	Candidate string
	// Take is how long scoring takes at least; 0 for no longer than needed.
	Take time.Duration
	// Started, if not nil, is called when the sandbox runs.
	Started func()
}

// Scorer scores candidates. Score may be called from many goroutines.
type Scorer interface {
	// Score returns an *Error if the candidate could not be scored.
	Score(ctx context.Context, job Job) (strategy.Result, error)
	Kind() Kind
	// Close removes what the scorer made. ctx bounds it.
	Close(ctx context.Context) error
}

// New chooses where candidates are scored, tries it out, and says in the log
// what it chose.
func New(ctx context.Context, kind Kind, o Options) (Scorer, error) {
	switch kind {
	case Subprocess:
		o.Log.Info("each candidate is scored in a subprocess, which isolates nothing")
		return newSubprocess(o)
	case InDocker:
		return newDocker(ctx, o)
	case Auto:
		d, err := newDocker(ctx, o)
		if err == nil {
			return d, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		o.Log.Warn("no Docker: each candidate is scored in a subprocess, which isolates nothing", "reason", err)
		return newSubprocess(o)
	}
	return nil, fmt.Errorf("sandbox %q: expected %s, %s or %s", kind, Auto, InDocker, Subprocess)
}

// Error is why a candidate could not be scored.
type Error struct {
	// Type is a class of errors, few in number.
	Type string
	Err  error
}

// The types of Error.
const (
	ErrorSandbox   = "sandbox"          // it could not be run
	ErrorExit      = "exit_status"      // it exited with another status than 0
	ErrorMalformed = "malformed_result" // it wrote something else than a result
	ErrorTimeout   = "timeout"
	ErrorCanceled  = "canceled"
)

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorType is what telemetry shows as error.type.
func (e *Error) ErrorType() string { return e.Type }

// maxOutput bounds what is read of what a sandbox writes.
const maxOutput = 64 << 10

// interpret makes a result of how a sandbox ended and what it wrote.
func interpret(exit int, stdout, stderr string) (strategy.Result, error) {
	if exit != 0 {
		return strategy.Result{}, &Error{ErrorExit, fmt.Errorf("the sandbox exited with status %d: %s", exit, lastLine(stderr))}
	}
	result, err := strategy.ParseResult(stdout)
	if err != nil {
		return strategy.Result{}, &Error{ErrorMalformed, err}
	}
	return result, nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	text = text[strings.LastIndexByte(text, '\n')+1:]
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return text
}

// interrupted tells a timeout and the end of the loop from other failures of
// what was being done.
func interrupted(ctx context.Context, doing string, err error) error {
	kind := ErrorSandbox
	switch ctx.Err() {
	case context.DeadlineExceeded:
		kind, err = ErrorTimeout, ctx.Err()
	case context.Canceled:
		kind, err = ErrorCanceled, ctx.Err()
	}
	return &Error{kind, fmt.Errorf("%s: %w", doing, err)}
}

// clipped keeps the first bytes written to it, and swallows the rest.
type clipped struct{ strings.Builder }

func (c *clipped) Write(p []byte) (int, error) {
	if room := maxOutput - c.Len(); room > 0 {
		c.Builder.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
