package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/semconv"
)

// writeTable prints the sandboxes for a person.
func writeTable(out io.Writer, found []*judged, now time.Time, run, endpoint string, reaping bool) error {
	if len(found) == 0 {
		of := ""
		if run != "" {
			of = fmt.Sprintf(" of run %q", run)
		}
		_, err := fmt.Fprintf(out, "No sandboxes%s: no such container on %s carries the label %s=%s.\n",
			of, endpoint, sandbox.LabelSandbox, sandbox.SelectorValue)
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = printable(cell)
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	row("CONTAINER", "NAME", "RUN", "OWNER", "AGE", "STATE", "VERDICT", "WHY")
	kinds := map[sandbox.Kind]int{}
	for _, j := range found {
		kinds[j.verdict.Kind]++
		row(docker.Short(j.ID), j.Name, orDash(j.Claim.Run), ownerWords(j.Claim.Owner), ageWords(j.State.Created, now),
			orDash(j.State.Status), string(j.verdict.Kind), j.verdict.Explain())
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	summary := fmt.Sprintf("\n%s: %d live, %s, %d unverifiable (kept).\n",
		count(len(found), "sandbox"), kinds[sandbox.Live], count(kinds[sandbox.Orphan], "orphan"), kinds[sandbox.Unverifiable])
	if kinds[sandbox.Orphan] > 0 && !reaping {
		summary += "`evotel sandboxes --reap` removes the orphans.\n"
	}
	_, err := io.WriteString(out, summary)
	return err
}

// writeReaps says what came of the orphans.
func writeReaps(out io.Writer, orphans []*judged) error {
	if len(orphans) == 0 {
		_, err := fmt.Fprintln(out, "There is nothing to remove.")
		return err
	}
	results := map[string]int{}
	for _, j := range orphans {
		results[j.reap]++
		line := ""
		switch j.reap {
		case reapKept:
			line = fmt.Sprintf("%s is kept: on a second look, %s.\n", docker.Short(j.ID), j.verdict.Explain())
		case semconv.ReapFailed:
			line = fmt.Sprintf("%s is still there: %v\n", docker.Short(j.ID), j.reapErr)
		}
		if _, err := io.WriteString(out, line); err != nil {
			return err
		}
	}
	if results[""] == len(orphans) {
		_, err := fmt.Fprintln(out, "Nothing was removed.")
		return err
	}
	_, err := fmt.Fprintf(out, "Removed %s, %d were gone already, %d kept, %d failed.\n",
		count(results[semconv.ReapRemoved], "orphan"), results[semconv.ReapGone], results[reapKept], results[semconv.ReapFailed])
	return err
}

// sandboxJSON is a sandbox for programs.
type sandboxJSON struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Image       string     `json:"image"`
	Run         string     `json:"run"`
	Owner       ownerJSON  `json:"owner"`
	Deadline    *time.Time `json:"deadline,omitempty"`
	Malformed   []string   `json:"malformed_labels,omitempty"`
	State       string     `json:"state"`
	Created     *time.Time `json:"created,omitempty"`
	AgeSeconds  int64      `json:"age_seconds"`
	Verdict     string     `json:"verdict"`
	Reason      string     `json:"reason,omitempty"`
	Explanation string     `json:"explanation"`
	Reap        string     `json:"reap,omitempty"`
	ReapError   string     `json:"reap_error,omitempty"`
}

type ownerJSON struct {
	PID       int    `json:"pid,omitempty"`
	Start     uint64 `json:"start,omitempty"`
	PIDNS     string `json:"pidns,omitempty"`
	Machine   string `json:"machine,omitempty"`
	Boot      string `json:"boot,omitempty"`
	Container string `json:"container,omitempty"`
}

// writeJSON prints the sandboxes for a program, an empty array if there are
// none.
func writeJSON(out io.Writer, found []*judged, now time.Time) error {
	all := make([]sandboxJSON, 0, len(found))
	for _, j := range found {
		o := j.Claim.Owner
		s := sandboxJSON{
			ID: j.ID, Name: j.Name, Image: j.Image, Run: j.Claim.Run, Malformed: j.Claim.Malformed,
			Owner: ownerJSON{PID: o.PID, Start: o.Start, PIDNS: o.PIDNS, Machine: o.Machine, Boot: o.Boot, Container: o.Container},
			State: j.State.Status, Verdict: string(j.verdict.Kind), Reason: string(j.verdict.Reason),
			Explanation: j.verdict.Explain(), Reap: j.reap,
		}
		if !j.Claim.Deadline.IsZero() {
			s.Deadline = &j.Claim.Deadline
		}
		if !j.State.Created.IsZero() {
			s.Created, s.AgeSeconds = &j.State.Created, int64(max(0, now.Sub(j.State.Created)).Seconds())
		}
		if j.reapErr != nil {
			s.ReapError = j.reapErr.Error()
		}
		all = append(all, s)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

func ownerWords(o sandbox.Owner) string {
	words := "unknown"
	if o.PID != 0 {
		words = fmt.Sprintf("pid %d", o.PID)
	}
	if o.Container != "" {
		words += " in " + docker.Short(o.Container)
	}
	return words
}

// ageWords gives an age in its largest unit, as people say it.
func ageWords(created, now time.Time) string {
	if created.IsZero() {
		return "-"
	}
	age := max(0, now.Sub(created))
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%ds", age/time.Second)
	case age < time.Hour:
		return fmt.Sprintf("%dm", age/time.Minute)
	case age < 48*time.Hour:
		return fmt.Sprintf("%dh", age/time.Hour)
	}
	return fmt.Sprintf("%dd", age/(24*time.Hour))
}

func count(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "x"):
		return fmt.Sprintf("%d %ses", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable keeps what a label says from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
