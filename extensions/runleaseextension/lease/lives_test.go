package lease

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/evotel/evotel/sandbox"
)

// TestNoLiveRunIsEverCondemned lets weeks pass in which everything happens that
// should not: Collectors that are away, stopped or suspended, clocks that are
// stepped, hosts and whole networks that are cut off, and loops that are killed,
// end and are resumed. A loop that lives and reaches the Collector is never said
// to be silent or to have ended, nor is one that starts sandboxes; and those that
// are dead are found.
func TestNoLiveRunIsEverCondemned(t *testing.T) {
	found := map[sandbox.RunStatus]int{}
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			w := newWorld(t)
			pauses := []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour}
			// Each host has several loops, so that it can be seen to be cut off.
			var loops []*sender
			for host := range 3 {
				for i := range 3 {
					name := fmt.Sprint(host, "-", i)
					loops = append(loops, w.start(name, fmt.Sprint("host", host), name, pauses[random.IntN(len(pauses))]))
				}
			}
			w.pass(12 * time.Hour)
			dead := map[*sender]bool{}
			for range 60 {
				switch victim := loops[random.IntN(len(loops))]; random.IntN(8) {
				case 0:
					w.restart(time.Duration(random.Int64N(int64(30 * time.Hour))))
				case 1:
					w.step(time.Duration(random.Int64N(int64(3 * time.Hour))))
				case 2:
					w.now.Wall = w.now.Wall.Add(time.Duration(random.Int64N(int64(20*time.Hour))) - 10*time.Hour)
				case 3: // a host, or everybody, is cut off for a while
					everybody := random.IntN(2) == 0
					for _, l := range loops {
						l.quiet = everybody || l.host == victim.host
					}
					for range 10 {
						w.pass(time.Duration(random.Int64N(int64(30 * time.Minute))))
						assertLives(t, w, loops, dead)
					}
					for _, l := range loops {
						l.quiet = dead[l]
					}
				case 4: // one loop dies; two of a host would look as if it was cut off
					if len(dead) == 0 {
						dead[victim], victim.quiet = true, true
					}
				case 5: // one ends, or is resumed
					if !dead[victim] {
						victim.word = Ended
						w.pass(time.Hour)
						victim.word = Running
						w.book.Sandbox(victim.run, w.now.Wall)
					}
				case 6: // the dead are resumed
					for l := range dead {
						found[w.book.Run(l.run)]++
						w.book.Sandbox(l.run, w.now.Wall)
						l.quiet = false
						delete(dead, l)
					}
				}
				for range 6 {
					w.pass(time.Duration(random.Int64N(int64(30 * time.Minute))))
					assertLives(t, w, loops, dead)
				}
			}
		})
	}
	assert.Positive(t, found[sandbox.RunSilent], "some of the dead were found: %v", found)
}

func assertLives(t *testing.T, w *world, loops []*sender, dead map[*sender]bool) {
	t.Helper()
	for _, l := range loops {
		status := w.book.Run(l.run)
		if !dead[l] && (status == sandbox.RunSilent || status == sandbox.RunEnded) {
			t.Fatalf("run %s, which reports every %v, is condemned: %v", l.run, l.every, status)
		}
	}
}
