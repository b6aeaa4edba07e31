package instrumentation

import (
	"cmp"
	"context"
	"errors"
	"os"
	"reflect"
)

// errorTypes is how many error.type values a run may have; the rest is
// errorTypeOther, as OTel's conventions say. More would be more series.
const (
	errorTypes     = 16
	errorTypeOther = "_OTHER"
	errorTimeout   = "timeout"
)

// errorType is a short, low-cardinality class of err: what err says of itself
// through ErrorType() string, "timeout", "canceled", or the Go type of the
// innermost error.
func errorType(err error) (kind string) {
	defer recoverAs(&kind, errorTypeOther)
	var own interface{ ErrorType() string }
	if errors.As(err, &own) {
		return cmp.Or(name(own.ErrorType()), errorTypeOther)
	}
	switch {
	case timedOut(err):
		return errorTimeout
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return name(reflect.TypeOf(err).String())
}

func isTimeout(err error) (timeout bool) {
	defer recoverAs(&timeout, false)
	return timedOut(err)
}

func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// recoverAs is deferred where methods of the loop's own errors are called, which
// may panic: on a nil pointer that has become an error, for one.
func recoverAs[T any](result *T, instead T) {
	if recover() != nil {
		*result = instead
	}
}
