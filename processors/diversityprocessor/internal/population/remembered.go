package population

import (
	"hash/maphash"
	"sync"
)

// maxRemembered bounds what is kept between requests. A set that is full is
// emptied: at worst a warning is given again.
const maxRemembered = 10_000

// Remembered is a set of bounded size. It holds hashes, since a sender may choose
// keys of any length.
type Remembered[K comparable] struct {
	mu     sync.Mutex
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

// Add tells whether the key is new.
func (r *Remembered[K]) Add(key K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hashes == nil {
		r.seed = maphash.MakeSeed()
	}
	hash := maphash.Comparable(r.seed, key)
	if _, ok := r.hashes[hash]; ok {
		return false
	}
	if r.hashes == nil || len(r.hashes) >= maxRemembered {
		r.hashes = map[uint64]struct{}{}
	}
	r.hashes[hash] = struct{}{}
	return true
}

// Has tells whether the key has been added.
func (r *Remembered[K]) Has(key K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hashes == nil {
		return false
	}
	_, ok := r.hashes[maphash.Comparable(r.seed, key)]
	return ok
}
