package evolve

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func run(seed uint64, iterations int) *Evolution {
	e := New(Config{Genes: 6, Islands: 3, Population: 8, Seed: seed})
	for range iterations {
		for _, o := range e.Offspring(4) {
			e.Accept(o, -distance(o.Genes, []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}))
		}
		e.Finish()
	}
	return e
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	one, same, other := run(1, 60), run(1, 60), run(2, 60)
	assert.Equal(t, one.islands, same.islands)
	assert.NotEqual(t, one.islands, other.islands)
}

func TestSearchFindsTheOptimumAndKeepsItsShape(t *testing.T) {
	e := run(1, 300)
	champion, found := e.Champion()
	assert.True(t, found)
	assert.Greater(t, champion.Fitness, -0.01)
	ids := map[string]bool{}
	for island := range e.Islands() {
		assert.Len(t, e.Population(island), 8)
		for _, one := range e.Population(island) {
			ids[one.ID] = true
			for _, gene := range one.Genes {
				assert.True(t, gene >= 0 && gene <= 1, "gene %v", gene)
			}
		}
	}
	assert.GreaterOrEqual(t, len(ids), 3*8-3, "individuals keep their ids when they migrate, and are few on two islands")
}
