package instrumentation

import (
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
)

// errorType is a short, low-cardinality class of err: what err says of itself
// through ErrorType() string, "timeout", "canceled", or the Go type of the
// innermost error.
func errorType(err error) string {
	var own interface{ ErrorType() string }
	if errors.As(err, &own) {
		return own.ErrorType()
	}
	switch {
	case isTimeout(err):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return reflect.TypeOf(err).String()
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
