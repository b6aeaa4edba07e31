package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker/enginetest"
)

const lateID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// late is an Engine with one sandbox, whose deadline has passed.
func late(t *testing.T) (*enginetest.Engine, enginetest.Container) {
	e := enginetest.Start(t)
	box := enginetest.Container{
		ID: lateID, Name: "late", Image: "image", Status: "running", Created: time.Now().Add(-time.Hour),
		Labels: map[string]string{sandbox.LabelSandbox: sandbox.SelectorValue, sandbox.LabelDeadline: "2026-01-01T00:00:00Z"},
	}
	e.LabelImage("image", nil)
	e.Put(box)
	return e, box
}

func TestReapTakesWhatItMeets(t *testing.T) {
	isRemoval := func(r *http.Request) bool { return r.Method == http.MethodDelete }
	isLook := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, lateID+"/json") }
	for _, test := range []struct {
		name  string
		fault func(e *enginetest.Engine, box enginetest.Container) func(http.ResponseWriter, *http.Request) bool
		reap  string
		stays bool
		err   string
	}{
		{name: "an orphan", reap: "removed"},
		{name: "one that went meanwhile", reap: "gone", fault: func(e *enginetest.Engine, _ enginetest.Container) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, r *http.Request) bool {
				if isLook(r) {
					e.Drop(lateID)
				}
				return false
			}
		}},
		{name: "one that somebody else removes", reap: "gone", stays: true, fault: func(*enginetest.Engine, enginetest.Container) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if isRemoval(r) {
					enginetest.Refuse(w, http.StatusConflict, "removal of container "+lateID+" is already in progress")
				}
				return isRemoval(r)
			}
		}},
		{name: "one that is no orphan on a second look", reap: "kept", stays: true, fault: func(e *enginetest.Engine, box enginetest.Container) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, r *http.Request) bool {
				if isLook(r) {
					box.Labels = map[string]string{sandbox.LabelSandbox: sandbox.SelectorValue}
					e.Put(box)
				}
				return false
			}
		}},
		{name: "one that refuses to go", reap: "failed", stays: true, err: "device or resource busy", fault: func(*enginetest.Engine, enginetest.Container) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if isRemoval(r) {
					enginetest.Refuse(w, http.StatusInternalServerError, "device or resource busy")
				}
				return isRemoval(r)
			}
		}},
		{name: "an Engine that is lost", reap: "failed", stays: true, err: "lost", fault: func(*enginetest.Engine, enginetest.Container) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if isLook(r) {
					enginetest.Refuse(w, http.StatusInternalServerError, "lost")
				}
				return isLook(r)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, box := late(t)
			if test.fault != nil {
				e.Fail(test.fault(e, box))
			}
			out, err := evotel(t, "sandboxes", "--reap", "--yes", "--json", "--endpoint", e.Endpoint)
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.err)
			}
			var got []sandboxJSON
			require.NoError(t, json.Unmarshal([]byte(out), &got))
			require.Len(t, got, 1)
			assert.Equal(t, test.reap, got[0].Reap)
			assert.Equal(t, test.stays, e.Has(lateID))
		})
	}
}

func TestSandboxesOfOtherRunsStay(t *testing.T) {
	e, _ := late(t)
	out, err := evotel(t, "sandboxes", "--reap", "--yes", "--run", "another", "--endpoint", e.Endpoint)
	require.NoError(t, err)
	assert.Contains(t, out, "There is nothing to remove.")
	assert.True(t, e.Has(lateID))
	out, err = evotel(t, "sandboxes", "--endpoint", e.Endpoint)
	require.NoError(t, err)
	assert.Contains(t, out, "its owner's deadline has passed")
	assert.True(t, e.Has(lateID), "without --reap nothing goes")
}

func TestExitedAfterLooksAtWhenTheyStopped(t *testing.T) {
	e := enginetest.Start(t)
	e.Put(enginetest.Container{
		ID: lateID, Name: "done", Image: "image", Status: "exited", Created: time.Now().Add(-time.Hour), Finished: time.Now().Add(-30 * time.Minute),
		Labels: sandbox.Labels("r"),
	})
	e.LabelImage("image", nil)
	for after, want := range map[string]string{"0": "live", "45m": "live", "15m": "orphan"} {
		out, err := evotel(t, "sandboxes", "--json", "--exited-after", after, "--endpoint", e.Endpoint)
		require.NoError(t, err)
		var got []sandboxJSON
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.Len(t, got, 1)
		assert.Equal(t, want, got[0].Verdict, after)
	}
}
