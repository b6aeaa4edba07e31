package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/evotel/evotel/sandbox"
)

var labelFormats = map[string]func(io.Writer, map[string]string) error{
	"args": writeArgs, "file": writeLabelFile, "json": writeLabelJSON,
}

func newLabelsCommand() *cobra.Command {
	var run, deadline, format string
	var pid int
	command := &cobra.Command{
		Use:   "labels --run RUN",
		Short: "Print the labels that tell whose sandbox a container is",
		Long: `Prints labels for a container that runs a candidate. They say which run and which
process it belongs to. When that process has ended, by whatever means, the sandbox
is an orphan: the Collector removes it, and "evotel sandboxes" shows it.

The owner is the process that calls: the Python program, or the shell or script in
which $(evotel labels …) stands. Subshells, "sh -c …" and wrappers such as sudo are
passed over, since they end at once; who called them is the owner then. --pid names
another process. In a script that ends before its sandboxes do, name the process
that wants them, or its sandboxes go with it.

Formats:
  args   --label=NAME=VALUE, one a line, which a shell splits into arguments.
         Where bash's nullglob or failglob is set, or IFS has no newline, use file.
  file   NAME=VALUE, one a line, for docker run --label-file
  json   an object, for programs that talk to the Docker Engine themselves`,
		Example: `  docker run $(evotel labels --run R) --network none IMAGE
  docker run $(evotel labels --run R --pid $$ --deadline 2h) IMAGE
  labels=$(evotel labels --run R) && docker run $labels IMAGE   # nothing runs unlabelled
  docker run --label-file <(evotel labels --run R --format file) IMAGE`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			write, known := labelFormats[format]
			until, errDeadline := parseDeadline(deadline, time.Now())
			labels, errOwner := ownedLabels(run, pid, command.Flags().Changed("pid"), until)
			var errFormat error
			if !known {
				errFormat = fmt.Errorf("--format %s: expected one of %s", format, strings.Join(slices.Sorted(maps.Keys(labelFormats)), ", "))
			}
			if err := errors.Join(checkRun(run, format), errOwner, errDeadline, errFormat); err != nil {
				return err
			}
			if labels[sandbox.LabelOwnerPID] == "" {
				_, _ = fmt.Fprintf(command.ErrOrStderr(), "evotel: there is no /proc here (%s), so the labels can't name the owner; "+
					"the sandbox can only be found to be an orphan by its deadline or through the Collector's telemetry.\n", runtime.GOOS)
			}
			return write(command.OutOrStdout(), labels)
		},
	}
	command.Flags().StringVar(&run, "run", "", "run id, the same as evolution.run.id in the run's telemetry")
	command.Flags().IntVar(&pid, "pid", 0, "PID of the owner (default: the process that calls)")
	command.Flags().StringVar(&deadline, "deadline", "", "when the sandbox may go even if its owner lives: a duration from now (2h) or a time (RFC 3339)")
	command.Flags().StringVar(&format, "format", "args", "args, file or json")
	return command
}

// checkRun refuses run ids that can't be read back, or that a shell would take
// apart.
func checkRun(run, format string) error {
	if run == "" {
		return errors.New("--run must name the run that the sandbox belongs to")
	}
	if claim := sandbox.ParseClaim(map[string]string{sandbox.LabelRunID: run}); claim.Run != run {
		return fmt.Errorf("--run %q: expected at most 256 bytes of text without control characters", run)
	}
	if format == "args" && strings.ContainsFunc(run, unsafeInShell) {
		return fmt.Errorf("--run %q: a shell would take it apart; expected letters, digits and any of %s, or another --format (file, json)", run, safePunctuation)
	}
	return nil
}

const safePunctuation = ". _ - : / @ % + = ,"

func unsafeInShell(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && (r == ' ' || !strings.ContainsRune(safePunctuation, r))
}

// parseDeadline understands a duration from now or a time; empty is none.
func parseDeadline(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, s)
	if d, errDuration := time.ParseDuration(s); errDuration == nil {
		until, err = now.Add(d), nil
	}
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("--deadline %q: expected a duration such as 2h or a time such as %s", s, now.Add(2*time.Hour).UTC().Format(time.RFC3339))
	case !until.After(now):
		return time.Time{}, fmt.Errorf("--deadline %q: expected a time to come; the sandbox would be an orphan at once", s)
	}
	return until, nil
}

// ownedLabels gives the labels of the process pid or, if none was named, of the
// caller. Where there is no /proc they name no owner.
func ownedLabels(run string, pid int, named bool, until time.Time) (map[string]string, error) {
	hasProc := sandbox.DefaultProc.Process(os.Getpid()).Status == sandbox.ProcessRunning
	if !named && hasProc {
		var ok bool
		if pid, ok = caller(os.Getppid(), lookInProc); !ok {
			return nil, errors.New("the process that called evotel can't be seen from here (is it outside of this container?); name the owner with --pid")
		}
	}
	labels := sandbox.Labels(run, sandbox.WithOwner(pid), sandbox.WithDeadline(until))
	if labels[sandbox.LabelOwnerPID] == "" && (named || hasProc) {
		return nil, fmt.Errorf("--pid %d: no such process runs here", pid)
	}
	return labels, nil
}

// writeArgs writes one argument a line: lines are split by the default IFS and
// by that of people who set it to newlines.
func writeArgs(out io.Writer, labels map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if _, err := fmt.Fprintf(out, "--label=%s=%s\n", name, labels[name]); err != nil {
			return fmt.Errorf("writing labels: %w", err)
		}
	}
	return nil
}

func writeLabelFile(out io.Writer, labels map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if _, err := fmt.Fprintf(out, "%s=%s\n", name, labels[name]); err != nil {
			return fmt.Errorf("writing labels: %w", err)
		}
	}
	return nil
}

func writeLabelJSON(out io.Writer, labels map[string]string) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(labels); err != nil {
		return fmt.Errorf("writing labels: %w", err)
	}
	return nil
}
