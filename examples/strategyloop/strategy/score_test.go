package strategy

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/examples/strategyloop/market"
)

func europe(t testing.TB) market.Prices {
	t.Helper()
	prices, _, err := market.Read(market.Europe())
	require.NoError(t, err)
	return prices
}

func someCandidate(markets int) Candidate {
	random := rand.New(rand.NewPCG(1, 2))
	genes := make([]float64, Genes(markets))
	for i := range genes {
		genes[i] = random.Float64()
	}
	return Candidate{Genes: genes}
}

// A position may depend on what was known the day before, and on nothing later.
func TestNoStrategySeesTheFuture(t *testing.T) {
	const day = 700
	prices := europe(t)
	before := Positions(prices, someCandidate(4))
	other := prices
	other.Close = make([][]float64, len(prices.Close))
	for m := range other.Close {
		other.Close[m] = slices.Clone(prices.Close[m])
		for d := day; d < other.Days(); d++ {
			other.Close[m][d] *= 2
		}
	}
	after := Positions(other, someCandidate(4))
	for m := range before {
		assert.Equal(t, before[m][:day+1], after[m][:day+1], "the position of day %d is decided at the close of the day before", day)
		assert.NotEqual(t, before[m][day+1], after[m][day+1])
	}
}

func TestHeldOutDaysDoNotCountInTraining(t *testing.T) {
	prices := europe(t)
	whole, err := Train(prices, someCandidate(4))
	require.NoError(t, err)
	first, err := Train(prices.First(TrainingDays(prices)+1), someCandidate(4))
	require.NoError(t, err)
	assert.NotEqual(t, whole, first, "a share of fewer days is fewer days")
	assert.Equal(t, 1302, TrainingDays(prices))
}

func TestCostsArePaid(t *testing.T) {
	flat := market.Prices{Markets: []string{"A"}, Time: make([]float64, 4), Close: [][]float64{{1, 1, 1, 1}}}
	// Bought, sold and bought: three whole trades on prices that never move.
	r, err := account(flat, [][]float64{{0, 1, 0, 1}}, 1, 4)
	require.NoError(t, err)
	assert.InDelta(t, -Cost*daysPerYear, r.Return, 1e-12)
	assert.InDelta(t, daysPerYear, r.Turnover, 1e-9)
	assert.InDelta(t, 1-(1-Cost)*(1-Cost)*(1-Cost), r.Drawdown, 1e-12)
}

func TestBuyAndHoldIsTheMarket(t *testing.T) {
	prices := market.Prices{Markets: []string{"A"}, Time: make([]float64, 301), Close: [][]float64{make([]float64, 301)}}
	price := 1.0
	for day := range prices.Close[0] {
		prices.Close[0][day] = price
		price *= 1.001
	}
	r, err := BuyAndHold(prices)
	require.NoError(t, err)
	days := float64(prices.Days() - TrainingDays(prices))
	assert.InDelta(t, daysPerYear*(0.001-Cost/days), r.Return, 1e-9)
}

func TestCandidatesAndResultsFromOutsideAreChecked(t *testing.T) {
	good, err := json.Marshal(someCandidate(1))
	require.NoError(t, err)
	_, err = ParseCandidate(string(good), 1)
	require.NoError(t, err)
	for _, text := range []string{"", "{}", "[]", `{"genes":[0.5]}`, string(good) + "x", `{"genes":[2,0,0,0,0,0,0,0,0]}`, string(good[:len(good)/2])} {
		_, err := ParseCandidate(text, 1)
		require.ErrorContains(t, err, NotACandidate, "%q", text)
	}
	_, err = ParseResult(`{"fitness":1,"return":2,"volatility":3,"drawdown":0,"turnover":5}`)
	require.NoError(t, err)
	for _, text := range []string{"", "null", `{"fitness":1}`, `{"fitness":1e999,"return":2,"volatility":3,"drawdown":0,"turnover":5}`} {
		_, err := ParseResult(text)
		require.Error(t, err, "%q", text)
	}
}

func FuzzScore(f *testing.F) {
	prices := europe(f)
	good, err := json.Marshal(someCandidate(4))
	require.NoError(f, err)
	f.Add(string(good))
	f.Add(`{"genes":[1e-320]}`)
	f.Fuzz(func(t *testing.T, text string) {
		candidate, err := ParseCandidate(text, 4)
		if err != nil {
			return
		}
		r, err := Train(prices, candidate)
		require.NoError(t, err)
		written, err := json.Marshal(r)
		require.NoError(t, err)
		read, err := ParseResult(string(written))
		require.NoError(t, err)
		assert.Equal(t, r, read)
	})
}
