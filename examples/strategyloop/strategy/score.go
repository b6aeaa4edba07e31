package strategy

import (
	"fmt"
	"math"
	"slices"

	"github.com/evotel/evotel/examples/strategyloop/market"
)

const (
	// Cost is what trading costs, as a share of what is bought or sold: 0.1 %.
	Cost = 0.001
	// TrainingShare is the share of days, the first, that strategies are evolved
	// on. The rest is held out.
	TrainingShare = 0.7

	// daysPerYear is the number of trading days in a year of the data.
	daysPerYear = 260
	// warmup is the number of days that indicators see before the first trade.
	warmup = 60
	// riskFloor, a year, is added to the volatility in the fitness, so that a
	// strategy can't shine by hardly trading.
	riskFloor = 0.01
	// firstVariance, a day, is assumed before anything has been seen: 1 % squared.
	firstVariance = 1e-4
	// minDeviation, a day, keeps prices that never move from dividing by zero.
	minDeviation = 1e-6
)

// Result is how a strategy did over a span of days, after costs.
type Result struct {
	// Fitness is Return / (Volatility + 1 %), a Sharpe ratio with a floor.
	Fitness float64 `json:"fitness"`
	// Return is the mean return and Volatility its standard deviation, both a
	// year, as shares of the capital.
	Return     float64 `json:"return"`
	Volatility float64 `json:"volatility"`
	// Drawdown is the largest loss from a peak, as a share of the peak.
	Drawdown float64 `json:"drawdown"`
	// Turnover is what is bought and sold a year, as a multiple of the capital.
	Turnover float64 `json:"turnover"`
}

// ParseResult reads a result from JSON, as a sandbox wrote it. What is not a
// finite number is refused.
func ParseResult(text string) (Result, error) {
	// Pointers tell a missing field from a zero.
	var r struct {
		Fitness    *float64 `json:"fitness"`
		Return     *float64 `json:"return"`
		Volatility *float64 `json:"volatility"`
		Drawdown   *float64 `json:"drawdown"`
		Turnover   *float64 `json:"turnover"`
	}
	if err := decode(text, &r); err != nil {
		return Result{}, fmt.Errorf("reading a result: %w", err)
	}
	for _, f := range []struct {
		name  string
		value *float64
	}{
		{"fitness", r.Fitness}, {"return", r.Return}, {"volatility", r.Volatility},
		{"drawdown", r.Drawdown}, {"turnover", r.Turnover},
	} {
		if f.value == nil || math.IsNaN(*f.value) || math.IsInf(*f.value, 0) {
			return Result{}, fmt.Errorf("reading a result: %s is missing or not a finite number", f.name)
		}
	}
	return Result{*r.Fitness, *r.Return, *r.Volatility, *r.Drawdown, *r.Turnover}, nil
}

// TrainingDays is the number of days to evolve on.
func TrainingDays(p market.Prices) int { return int(TrainingShare * float64(p.Days())) }

// Train scores a strategy on the training days; it sees no others.
func Train(p market.Prices, c Candidate) (Result, error) {
	training := p.First(TrainingDays(p))
	return score(training, c, warmup, training.Days())
}

// HeldOut scores a strategy on the days that it was not evolved on. Its
// indicators and positions come out of the training days warm.
func HeldOut(p market.Prices, c Candidate) (Result, error) {
	return score(p, c, TrainingDays(p), p.Days())
}

// BuyAndHold is what holding all markets in equal parts would have brought on the
// held-out days, for comparison.
func BuyAndHold(p market.Prices) (Result, error) {
	positions := make([][]float64, len(p.Markets))
	for m := range positions {
		positions[m] = slices.Repeat([]float64{1}, p.Days())
	}
	return account(p, positions, TrainingDays(p), p.Days())
}

func score(p market.Prices, c Candidate, from, to int) (Result, error) {
	if err := c.Validate(len(p.Markets)); err != nil {
		return Result{}, err
	}
	return account(p, Positions(p, c), from, to)
}

// account takes the returns of the days from <= t < to. It begins with nothing
// held, and pays for what is bought first.
func account(p market.Prices, positions [][]float64, from, to int) (Result, error) {
	var sum, squares, turnover, drawdown float64
	wealth, peak := 1.0, 1.0
	share := 1 / float64(len(p.Markets))
	for t := from; t < to; t++ {
		var day float64
		for m, position := range positions {
			before := 0.0
			if t > from {
				before = position[t-1]
			}
			traded := math.Abs(position[t] - before)
			turnover += share * traded
			day += share * (position[t]*(p.Close[m][t]/p.Close[m][t-1]-1) - Cost*traded)
		}
		sum += day
		squares += day * day
		wealth = max(0, wealth*(1+day))
		peak = max(peak, wealth)
		drawdown = max(drawdown, 1-wealth/peak)
	}
	days := float64(to - from)
	mean := sum / days
	variance := max(0, squares/days-mean*mean)
	r := Result{
		Return:     mean * daysPerYear,
		Volatility: math.Sqrt(variance * daysPerYear),
		Drawdown:   drawdown,
		Turnover:   turnover / days * daysPerYear,
	}
	r.Fitness = r.Return / (r.Volatility + riskFloor)
	if math.IsNaN(r.Fitness) || math.IsInf(r.Fitness, 0) {
		return Result{}, fmt.Errorf("the prices are too wild to be scored: fitness is %v", r.Fitness)
	}
	return r, nil
}

// Positions returns, for each market, the position held from the close of day
// t-1 to the close of day t, in [-1,1] of the market's share of the capital. It
// is decided at the close of day t-1, from prices up to then. The candidate must
// be valid.
func Positions(p market.Prices, c Candidate) [][]float64 {
	markets, days := len(p.Markets), p.Days()
	positions := make([][]float64, markets)
	states := make([]state, markets)
	for m := range states {
		positions[m] = make([]float64, days)
		states[m] = newState(c.Genes[m*parameters:(m+1)*parameters], p.Close[m][0])
	}
	for t := 1; t < days; t++ {
		// The close of day t-1 becomes known ...
		var moves float64
		for m := range states {
			states[m].observe(p.Close[m][t-1])
			moves += states[m].move
		}
		// ... and decides the position of day t.
		for m := range states {
			lead := 0.0
			if markets > 1 {
				lead = (moves - states[m].move) / float64(markets-1)
			}
			positions[m][t] = states[m].trade(lead, t >= warmup)
		}
	}
	return positions
}

// state is what a market's rules remember from day to day.
type state struct {
	value [parameters]float64
	// log prices: the last, and its averages over the two spans
	price, slow, fast float64
	variance          float64 // of daily returns
	move              float64 // the last return in standard deviations
	position          float64
}

func newState(genes []float64, firstPrice float64) state {
	s := state{variance: firstVariance}
	for i, p := range table {
		s.value[i] = p.Value(genes[i])
	}
	s.price = math.Log(firstPrice)
	s.slow, s.fast = s.price, s.price
	return s
}

// smoothing is the weight of the newest value in an exponential average over a
// span of days.
func smoothing(days float64) float64 { return 2 / (days + 1) }

func (s *state) observe(price float64) {
	last := s.price
	s.price = math.Log(price)
	r := s.price - last
	s.variance += smoothing(s.value[volatilityDays]) * (r*r - s.variance)
	s.slow += smoothing(s.value[trendDays]) * (s.price - s.slow)
	s.fast += smoothing(s.value[reversalDays]) * (s.price - s.fast)
	s.move = r / s.deviation()
}

func (s *state) deviation() float64 { return max(minDeviation, math.Sqrt(s.variance)) }

// distance of the price from an average over so many days, in units of its
// standard deviation under a random walk, sigma sqrt((days+1)/4).
func (s *state) distance(average, days float64) float64 {
	return (s.price - average) / (s.deviation() * math.Sqrt((days+1)/4))
}

// trade returns the next position. lead is the mean of the other markets' moves.
func (s *state) trade(lead float64, open bool) float64 {
	if !open {
		return 0
	}
	v := &s.value
	aim := math.Tanh(v[bias] +
		v[trendWeight]*math.Tanh(s.distance(s.slow, v[trendDays])) -
		v[reversalWeight]*math.Tanh(s.distance(s.fast, v[reversalDays])) +
		v[leadWeight]*math.Tanh(lead))
	aim *= min(1, v[volatilityTarget]/(s.deviation()*math.Sqrt(daysPerYear)))
	s.position += v[speed] * (aim - s.position)
	return s.position
}
