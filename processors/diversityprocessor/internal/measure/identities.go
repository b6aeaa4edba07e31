package measure

// Identities are names: equal or not. The distance is 0 or 1.
type Identities []string

// Len is n.
func (g Identities) Len() int { return len(g) }

func (g Identities) classify() Classes {
	c := Classes{n: len(g)}
	class := make(map[string]int, len(g))
	for i, name := range g {
		k, ok := class[name]
		if !ok {
			k = c.count()
			class[name] = k
			c.first, c.size = append(c.first, i), append(c.size, 0)
		}
		c.size[k]++
	}
	return c
}

func (g Identities) meanDistance(classes func() Classes) (float64, bool) {
	all := pairsOf(len(g))
	return (all - classes().samePairs()) / all, true
}

func (g Identities) distance(i, j int) float64 {
	if g[i] == g[j] {
		return 0
	}
	return 1
}

func (g Identities) pairCost() int { return 1 }

func (g Identities) polymorphicLoci() (float64, bool) { return 0, false }
