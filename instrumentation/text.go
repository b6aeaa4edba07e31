package instrumentation

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// nameLength bounds names (of runs, islands, individuals, types of errors), in
// bytes: each stands in every one of its points.
const nameLength = 256

// text is s with each byte that isn't UTF-8 written as \xNN, as in Go. A single
// such byte would make OTLP refuse the whole export; in this form, strings that
// differ (raw hashes, say) go on differing.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			_, _ = fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// name is text cut to nameLength.
func name(s string) string {
	if s = text(s); len(s) <= nameLength {
		return s
	}
	end := nameLength
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// texts returns strings itself where all of them are UTF-8.
func texts(strings []string) []string {
	for i, s := range strings {
		if utf8.ValidString(s) {
			continue
		}
		out := append([]string(nil), strings...)
		for j := i; j < len(out); j++ {
			out[j] = text(out[j])
		}
		return out
	}
	return strings
}
