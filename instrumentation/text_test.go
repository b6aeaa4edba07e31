package instrumentation

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestNamesAreCutBetweenCharacters(t *testing.T) {
	assert.Equal(t, strings.Repeat("a", 256), name(strings.Repeat("a", 300)))
	assert.Equal(t, strings.Repeat("进", 85), name(strings.Repeat("进", 300)))
}

func FuzzText(f *testing.F) {
	f.Add("plain", "größe")
	f.Add("\xff", "\xfe")
	f.Add("\x00\xe8\xbf", strings.Repeat("\xff", 300))
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, s := range []string{a, b} {
			assert.True(t, utf8.ValidString(text(s)))
			assert.True(t, utf8.ValidString(name(s)))
			assert.LessOrEqual(t, len(name(s)), nameLength)
			if utf8.ValidString(s) {
				assert.Equal(t, s, text(s))
			}
		}
		// A backslash of one's own may say the same as a byte.
		if a != b && !strings.ContainsRune(a+b, '\\') {
			assert.NotEqual(t, text(a), text(b))
		}
	})
}
