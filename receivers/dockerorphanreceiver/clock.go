package dockerorphanreceiver

import (
	"sync"
	"time"
)

// clock never runs ahead: when the wall clock is stepped, in either direction,
// it takes the earlier of the two times until the step has stood for a while.
// A sandbox then looks too young, never too old.
type clock struct {
	mu      sync.Mutex
	settle  time.Duration
	anchor  time.Time // with monotonic reading
	stepped time.Time // when the clock was first seen ahead; zero if it is not
}

func newClock(settle time.Duration) *clock { return &clock{settle: settle, anchor: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	wall := now.Round(0)
	steady := c.anchor.Round(0).Add(now.Sub(c.anchor))
	ahead := wall.Sub(steady)
	switch {
	case ahead < time.Second:
		c.stepped = time.Time{}
		return wall
	case c.stepped.IsZero():
		c.stepped = now
	case now.Sub(c.stepped) > c.settle:
		c.anchor, c.stepped = now, time.Time{}
		return wall
	}
	return steady
}
