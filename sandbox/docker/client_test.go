package docker_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/cgroup"
	"github.com/evotel/evotel/sandbox/docker/enginetest"
)

func dial(t *testing.T, e *enginetest.Engine) *docker.Client {
	t.Helper()
	c, err := docker.Dial(e.Endpoint)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

func TestListReadsClaims(t *testing.T) {
	e := enginetest.Start(t)
	e.Put(
		enginetest.Container{ID: "a", Name: "box", Image: "img", Labels: map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r"},
			Status: "running", Created: time.Unix(1780000000, 0), HostNetwork: true},
		enginetest.Container{ID: "b", Name: "not-ours", Status: "running"},
	)
	got, err := dial(t, e).List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []docker.Container{{
		ID: "a", Name: "box", Image: "img", ImageID: "img", Claim: sandbox.Claim{Sandbox: true, Run: "r"},
		State: sandbox.State{Status: "running", Created: time.Unix(1780000000, 0)}, Network: docker.NetworkHost,
	}}, got)
}

func TestInspectReadsTheEnd(t *testing.T) {
	e := enginetest.Start(t)
	at := time.Unix(1780000000, 0).UTC()
	e.Put(enginetest.Container{ID: "a", Name: "box", Image: "img", Labels: map[string]string{sandbox.LabelSandbox: "1"}, Status: "exited",
		Created: at, Started: at.Add(time.Second), Finished: at.Add(time.Minute), ExitCode: 137, OOMKilled: true})
	c := dial(t, e)
	got, err := c.Inspect(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, docker.Container{
		ID: "a", Name: "box", Image: "img", ImageID: "img", Claim: sandbox.Claim{Sandbox: true},
		State:   sandbox.State{Status: "exited", Created: at, Finished: at.Add(time.Minute)},
		Started: at.Add(time.Second), ExitCode: 137, OOMKilled: true,
	}, got)

	e.Put(enginetest.Container{ID: "n", Status: "created", Created: at})
	got, err = c.Inspect(t.Context(), "n")
	require.NoError(t, err)
	assert.Zero(t, got.Started)
	assert.Zero(t, got.State.Finished)

	_, err = c.Inspect(t.Context(), "none")
	require.ErrorIs(t, err, docker.ErrGone)
	e.Fail(func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("{}")); return true })
	_, err = c.Inspect(t.Context(), "a")
	require.ErrorContains(t, err, "says nothing of its state")
}

func TestRemoveTellsWhatCameOfIt(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		message string
		want    error
	}{
		{"gone", http.StatusNotFound, "No such container: a", docker.ErrGone},
		{"by another hand", http.StatusConflict, "removal of container a is already in progress", docker.ErrInProgress},
	}
	for _, test := range tests {
		e := enginetest.Start(t)
		c := dial(t, e)
		e.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodDelete {
				return false
			}
			enginetest.Refuse(w, test.status, test.message)
			return true
		})
		require.ErrorIs(t, c.Remove(t.Context(), "a"), test.want, test.name)
		require.ErrorIs(t, c.RemoveStopped(t.Context(), "a"), test.want, test.name)
	}
	e := enginetest.Start(t)
	c := dial(t, e)
	e.Put(enginetest.Container{ID: "a", Status: "running"})
	require.ErrorIs(t, c.RemoveStopped(t.Context(), "a"), docker.ErrRunning)
	require.True(t, e.Has("a"))
	require.NoError(t, c.Remove(t.Context(), "a"))
	require.False(t, e.Has("a"))
}

func TestWatchReadsEvents(t *testing.T) {
	e := enginetest.Start(t)
	c := dial(t, e)
	attributes := func(more ...string) map[string]string {
		m := map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	at := time.Unix(1780000000, 5)
	e.Emit(events.Message{Action: events.ActionStart, Actor: events.Actor{ID: "a", Attributes: attributes()}, TimeNano: at.UnixNano()})
	e.Emit(events.Message{Action: events.ActionDie, Actor: events.Actor{ID: "a", Attributes: attributes("exitCode", "3")}, TimeNano: at.UnixNano()})
	e.Emit(events.Message{Action: events.ActionDie, Actor: events.Actor{ID: "b", Attributes: attributes("exitCode", "?")}, TimeNano: at.UnixNano()})
	ctx, cancel := context.WithCancel(t.Context())
	var got []docker.Event
	err := c.Watch(ctx, at, func(e docker.Event) {
		if got = append(got, e); len(got) == 3 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []docker.Event{
		{Action: docker.EventStart, ID: "a", Run: "r", Time: at},
		{Action: docker.EventDie, ID: "a", Run: "r", Time: at, ExitCode: 3},
		{Action: docker.EventDie, ID: "b", Run: "r", Time: at, ExitCode: -1},
	}, got)
}

func TestASilentEngineHoldsUpNobodyLongerThanTheyWant(t *testing.T) {
	e := enginetest.Start(t)
	c := dial(t, e)
	stuck, release := make(chan struct{}), make(chan struct{})
	e.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case stuck <- struct{}{}:
		case <-release:
		}
		select {
		case <-r.Context().Done():
		case <-release:
		}
		return true
	})
	// Somebody with all the time of the world waits for the Engine first.
	patient, giveUp := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Watch(patient, time.Time{}, func(docker.Event) {}) }()
	<-stuck
	hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.List(hasty)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	giveUp()
	require.Error(t, <-ended)
	e.Fail(nil)
	close(release)
	_, err = c.List(t.Context())
	require.NoError(t, err)
}

func TestAnEngineMayComeBackWithAnotherVersion(t *testing.T) {
	e := enginetest.Start(t)
	c := dial(t, e)
	_, err := c.List(t.Context())
	require.NoError(t, err)
	e.Speak("1.44")
	_, err = c.List(t.Context())
	require.Error(t, err)
	c.Reset()
	_, err = c.List(t.Context())
	require.NoError(t, err)
}

func TestDialRefusesWhatIsNoAddress(t *testing.T) {
	_, err := docker.Dial("nowhere")
	require.ErrorContains(t, err, "nowhere")
}

func TestShort(t *testing.T) {
	assert.Equal(t, "0123456789ab", docker.Short("0123456789abcdef"))
	assert.Equal(t, "abc", docker.Short("abc"))
}

func TestStatsOfAContainerThatHasStoppedAreNone(t *testing.T) {
	e := enginetest.Start(t)
	c := dial(t, e)
	e.Put(enginetest.Container{ID: "a", Status: "running", CPU: 5}, enginetest.Container{ID: "b", Status: "exited"})
	got, err := c.Stats(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, cgroup.Usage{CPU: 5, Memory: 700, NetworkReceived: 1000, NetworkSent: 2000, DiskRead: 30, DiskWritten: 40}, got)
	for _, id := range []string{"b", "none"} {
		_, err := c.Stats(t.Context(), id)
		require.ErrorIs(t, err, docker.ErrGone, id)
	}
	e.Fail(func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("{")); return true })
	_, err = c.Stats(t.Context(), "a")
	require.ErrorContains(t, err, "reading the resource use of container a")
}
