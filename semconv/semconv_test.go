package semconv_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/semconv"
)

func TestConventionsFollowOTelNaming(t *testing.T) {
	name := regexp.MustCompile(`^evolution(\.[a-z][a-z0-9_]*)+$`)
	unit := regexp.MustCompile(`^(1|s|By|\{[a-z]+\})$`)
	seen := map[string]bool{}
	for _, m := range semconv.All() {
		assert.Regexp(t, name, m.Name)
		assert.NotRegexp(t, `(_|\.)total$`, m.Name)
		assert.Regexp(t, unit, m.Unit, m.Name)
		assert.Regexp(t, `\.$`, m.Description, m.Name)
		assert.NotEmpty(t, m.Instrument, m.Name)
		assert.NotEmpty(t, m.Source, m.Name)
		assert.False(t, seen[m.Name], "%s is listed twice", m.Name)
		seen[m.Name] = true
	}
}

func TestEveryConventionIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/conventions.md")
	require.NoError(t, err)
	for _, m := range semconv.All() {
		assert.Contains(t, string(text), "| `"+m.Name+"` | "+string(m.Instrument)+" `"+m.Unit+"` |")
		for _, attribute := range m.Attributes {
			assert.Contains(t, string(text), "`"+attribute+"`", m.Name)
		}
	}
}
