package market

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEmbeddedPricesAreWhole(t *testing.T) {
	prices, skipped, err := Read(Europe())
	require.NoError(t, err)
	assert.Empty(t, skipped)
	assert.Equal(t, []string{"DAX", "SMI", "CAC", "FTSE"}, prices.Markets)
	assert.Equal(t, 1860, prices.Days())
}

// csv has so many good rows after the header, and then the others.
func csv(days int, others ...string) []byte {
	lines := []string{"time,A,B"}
	for day := range days {
		lines = append(lines, fmt.Sprintf("%d,%d,100", day, 100+day%7))
	}
	return []byte(strings.Join(append(lines, others...), "\n"))
}

func TestMalformedRowsAreLeftOutAndNamed(t *testing.T) {
	prices, skipped, err := Read(csv(300,
		"300,x,1", "301,1", "302,-1,1", "303,1,NaN", "5,1,1", "304,1,1e300", "", "305,1,2"))
	require.NoError(t, err)
	assert.Equal(t, 301, prices.Days())
	assert.InDelta(t, 2, prices.Close[1][300], 0)
	var said []string
	for _, row := range skipped {
		said = append(said, row.Error())
	}
	assert.Equal(t, []string{
		`row 302, column A: "x" is not a number`,
		`row 303: 2 fields, expected 3`,
		`row 304, column A: -1 is not a price`,
		`row 305, column B: "NaN" is not a number`,
		`row 306, column time: 5 is not later than the day before`,
		`row 307, column B: 1e300 is not a price`,
	}, said)
}

func TestFilesThatAreNoPricesAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ data, says string }{
		"empty":           {"", "expected the header"},
		"another header":  {"date,A\n", `the first column is "date"`},
		"no market":       {"time\n", "0 markets, expected 1 to 32"},
		"a market twice":  {"time,A,A\n", `two columns are named "A"`},
		"too short":       {string(csv(10)), "10 days, expected at least 260"},
		"mostly rubbish":  {string(csv(300)) + strings.Repeat("\nrubbish", 100), "100 of 400 rows are malformed, the first is row 302"},
		"an endless line": {"time,A\n" + strings.Repeat("1", 1<<20), "row 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Read([]byte(test.data))
			require.ErrorContains(t, err, test.says)
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(csv(3, "x,1,2"))
	f.Add([]byte("time,A\n1,2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		prices, _, err := Read(data)
		if err != nil {
			return
		}
		for m := range prices.Close {
			for day, price := range prices.Close[m] {
				if !(price > 0) || math.IsInf(price, 0) || day > 0 && prices.Time[day] <= prices.Time[day-1] {
					t.Fatalf("day %d: time %v, price %v", day, prices.Time[day], price)
				}
			}
		}
	})
}
