package dockerorphanreceiver

import (
	"sync"
	"time"
)

// standing is how long a step of the clock must have stood to be believed.
const standing = 10 * time.Minute

// clock never runs ahead: when the wall clock is stepped, in either direction,
// it takes the earlier of the two times until the step has stood for a while.
// A sandbox then looks too young, never too old.
type clock struct {
	begun time.Time // with monotonic reading

	mu sync.Mutex
	// The wall showed anchor when the monotonic clock had run for anchored.
	anchor   time.Time
	anchored time.Duration
	// stepped is when the wall was first seen ahead, if it is.
	stepped time.Duration
	ahead   bool
}

func newClock() *clock {
	now := time.Now()
	return &clock{begun: now, anchor: now.Round(0)}
}

func (c *clock) now() time.Time {
	now := time.Now()
	return c.read(now.Round(0), now.Sub(c.begun))
}

// read makes a time of what the wall shows and how long the monotonic clock has
// run.
func (c *clock) read(wall time.Time, ran time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	steady := c.anchor.Add(ran - c.anchored)
	switch {
	case wall.Sub(steady) < time.Second:
		c.ahead = false
		return wall
	case !c.ahead:
		c.stepped, c.ahead = ran, true
	case ran-c.stepped > standing:
		c.anchor, c.anchored, c.ahead = wall, ran, false
		return wall
	}
	return steady
}
