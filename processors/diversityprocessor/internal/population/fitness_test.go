package population

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDescribe(t *testing.T) {
	const huge, tiny = math.MaxFloat64, 5e-324
	for _, test := range []struct {
		values []float64
		want   Statistics
	}{
		{[]float64{3}, Statistics{3, 3, 3, 0}},
		{[]float64{0, 0}, Statistics{0, 0, 0, 0}},
		{[]float64{1, 3}, Statistics{1, 2, 3, 1}},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, Statistics{2, 5, 9, 2}},
		{[]float64{huge, huge}, Statistics{huge, huge, huge, 0}},
		{[]float64{-huge, huge}, Statistics{-huge, 0, huge, huge}},
		{[]float64{tiny, tiny}, Statistics{tiny, tiny, tiny, 0}},
		{[]float64{0, 2 * tiny}, Statistics{0, tiny, 2 * tiny, tiny}},
		{[]float64{1e16, 1, -1e16}, Statistics{-1e16, 1.0 / 3, 1e16, 1e16 * math.Sqrt(2.0/3)}},
		{[]float64{1, 1 + 0x1p-52}, Statistics{1, 1, 1 + 0x1p-52, 0x1p-53}},
		{[]float64{0.1, 0.1, 0.1}, Statistics{0.1, 0.1, 0.1, 0}},
		{[]float64{1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16}, Statistics{1e9 + 4, 1e9 + 10, 1e9 + 16, math.Sqrt(22.5)}},
	} {
		got := Describe(test.values)
		assert.Equal(t, test.want.Min, got.Min, "%v", test.values)
		assert.Equal(t, test.want.Max, got.Max, "%v", test.values)
		assert.InDelta(t, test.want.Mean, got.Mean, 1e-15*math.Abs(test.want.Mean), "%v", test.values)
		assert.InDelta(t, test.want.Stddev, got.Stddev, 1e-15*test.want.Stddev, "%v", test.values)
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(1.0, 2.0, 3.0)
	f.Add(math.MaxFloat64, -math.MaxFloat64, 5e-324)
	f.Fuzz(func(t *testing.T, a, b, c float64) {
		for _, v := range []float64{a, b, c} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return
			}
		}
		s := Describe([]float64{a, b, c})
		if !(s.Min <= s.Mean && s.Mean <= s.Max && s.Stddev >= 0 && !math.IsInf(s.Stddev, 0)) {
			t.Fatalf("%+v of %v, %v, %v", s, a, b, c)
		}
	})
}
