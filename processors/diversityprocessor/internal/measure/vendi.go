package measure

// vendi2 is n²/sum over i,j of K(i,j)², K = 1-d. With m the mean of K² over the
// pairs the sum is n + n(n-1)m.
func (p *Population) vendi2() Estimate {
	n := float64(p.n)
	if p.n == 1 {
		return Estimate{Value: 1}
	}
	if _, ok := p.genomes.(Identities); ok { // K is 1 within a class and else 0
		return Estimate{Value: p.effective(n / (1 + 2*p.classes().samePairs()/n))}
	}
	m := p.pairs()
	// (1-d)² = (1-c)² - 2(1-c)(d-c) + (d-c)². The middle term vanishes: d's mean is
	// the center c, or c is 1. So where the mean of d is exact, a sample only has
	// to tell d's variance, which is small unless the population falls apart.
	rest := 1 - m.center
	mean := rest*rest + m.square.Value
	value := n / (1 + (n-1)*mean)
	return Estimate{
		Value:         p.effective(value),
		StandardError: value * value * (n - 1) / n * m.square.StandardError,
	}
}
