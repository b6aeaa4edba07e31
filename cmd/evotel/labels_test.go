package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
)

// evotel runs the command in this process.
func evotel(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr strings.Builder
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetIn(strings.NewReader(""))
	err = root.ExecuteContext(t.Context())
	return stdout.String(), err
}

func TestLabelsInEachFormatSayTheSame(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	args := []string{"labels", "--run", "a/b:c_1.2@x=y", "--pid", pid, "--deadline", "2h", "--format"}
	text, err := evotel(t, append(args, "json")...)
	require.NoError(t, err)
	var labels map[string]string
	require.NoError(t, json.Unmarshal([]byte(text), &labels))
	assert.Equal(t, sandbox.SelectorValue, labels[sandbox.LabelSandbox])
	claim := sandbox.ParseClaim(labels)
	assert.Empty(t, claim.Malformed)
	assert.Equal(t, "a/b:c_1.2@x=y", claim.Run)
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), claim.Deadline, time.Minute)

	for _, test := range []struct{ format, prefix string }{{"args", "--label="}, {"file", ""}} {
		text, err := evotel(t, append(args, test.format)...)
		require.NoError(t, err)
		got := map[string]string{}
		for line := range strings.Lines(text) {
			pair, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), test.prefix)
			require.True(t, ok)
			name, value, _ := strings.Cut(pair, "=")
			got[name] = value
		}
		// The clock goes on between two calls.
		assert.NotEmpty(t, got[sandbox.LabelDeadline])
		got[sandbox.LabelDeadline] = labels[sandbox.LabelDeadline]
		assert.Equal(t, labels, got, test.format)
	}
}

func TestLabelsNeverComeApartInAShell(t *testing.T) {
	for _, run := range []string{"a b", `a"b`, "a'b", "a*", "a?", "[a]", `a\b`, "$a", "a`b", "a;b", "a&b", "a|b", "a<b", "a#b", "~a", "!a", "a(b", "{a,b}"} {
		_, err := evotel(t, "labels", "--run", run)
		require.ErrorContains(t, err, "a shell would take it apart", run)
		out, err := evotel(t, "labels", "--run", run, "--pid", strconv.Itoa(os.Getpid()), "--format", "json")
		require.NoError(t, err, run)
		var labels map[string]string
		require.NoError(t, json.Unmarshal([]byte(out), &labels))
		assert.Equal(t, run, labels[sandbox.LabelRunID])
	}
	_, err := evotel(t, "labels", "--run", "läuft-7", "--pid", strconv.Itoa(os.Getpid()))
	assert.NoError(t, err)
}

func TestLabelsReportsEveryProblem(t *testing.T) {
	_, err := evotel(t, "labels", "--pid", "4194305", "--deadline", "soon", "--format", "yaml")
	for _, want := range []string{
		"--run must name the run", "--pid 4194305: no such process", `--deadline "soon": expected a duration`, "--format yaml: expected one of args, file, json",
	} {
		require.ErrorContains(t, err, want)
	}
	for _, test := range []struct{ args, want string }{
		{"--run x --deadline -1h", "expected a time to come"},
		{"--run x --deadline 1970-01-01T00:00:00Z", "expected a time to come"},
		{"--run x --format json --pid 1 --deadline 9", "expected a duration"},
		{"--run " + strings.Repeat("x", 257), "at most 256 bytes"},
	} {
		_, err := evotel(t, append([]string{"labels"}, strings.Fields(test.args)...)...)
		require.ErrorContains(t, err, test.want, test.args)
	}
	_, err = evotel(t, "labels", "--run", "a\nb", "--format", "file")
	require.ErrorContains(t, err, "without control characters")
}

func TestDeadlineIsKeptAsTheTimeItSays(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, err := parseDeadline("2026-01-02T06:00:00+02:00", now)
	require.NoError(t, err)
	assert.True(t, got.Equal(now.Truncate(time.Hour).Add(time.Hour)))
	got, err = parseDeadline("", now)
	require.NoError(t, err)
	assert.True(t, got.IsZero())
}
