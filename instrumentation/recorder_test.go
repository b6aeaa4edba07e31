package instrumentation_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder keeps what was logged.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *recorder) count(part string) int { return strings.Count(r.String(), part) }

// waitFor waits until part was logged n times, and no more.
func (r *recorder) waitFor(t *testing.T, n int, part string) {
	t.Helper()
	require.Eventually(t, func() bool { return r.count(part) >= n }, 20*time.Second, 5*time.Millisecond, "%q is not logged:\n%s", part, r)
	require.Equal(t, n, r.count(part), "log:\n%s", r)
}
