package lease

const (
	// maxRunID is the longest run id that a label may hold (bytes).
	maxRunID = 256
	// maxHost bounds what is kept of a host's name (bytes).
	maxHost = 256
	// sourcesPerRun times Policy.MaxRuns sources are remembered.
	sourcesPerRun = 4
	// maxWords is how many sources may speak of one run.
	maxWords = 64
)

// source returns the source of that name, which may be new.
func (b *Book) source(key, hostName string, now Instant) *source {
	hostName = hostName[:min(len(hostName), maxHost)]
	s, ok := b.sources[key]
	switch {
	case !ok:
		if len(b.sources) >= sourcesPerRun*b.policy.MaxRuns {
			b.dropOldestSource()
		}
		s = &source{last: now.Mono}
		b.sources[key] = s
		b.settle(key, s, hostName)
	case s.host != hostName:
		b.leave(key, s)
		b.settle(key, s, hostName)
	}
	return s
}

// settle puts a source on a host.
func (b *Book) settle(key string, s *source, hostName string) {
	s.host = hostName
	h, ok := b.hosts[hostName]
	if !ok {
		h = &host{sources: map[string]*source{}}
		b.hosts[hostName] = h
	}
	h.sources[key] = s
}

// leave takes a source from its host.
func (b *Book) leave(key string, s *source) {
	delete(b.hosts[s.host].sources, key)
	if len(b.hosts[s.host].sources) == 0 {
		delete(b.hosts, s.host)
	}
}

// run returns the run of that id, which may be new.
func (b *Book) run(id string, now Instant) *run {
	r, ok := b.runs[id]
	if !ok {
		if len(b.runs) >= b.policy.MaxRuns {
			b.dropOldestRun()
		}
		r = &run{words: map[string]*word{}, wall: now.Wall}
		b.runs[id] = r
		b.changed = true
	}
	return r
}

// word returns the word of a source on a run, which may be new; nil if too many
// have spoken of it already.
func (b *Book) word(r *run, key string, s *source) *word {
	w, ok := r.words[key]
	if !ok {
		if len(r.words) >= maxWords {
			r.crowded = true
			return nil
		}
		w = &word{}
		r.words[key] = w
		s.words++
		s.open++
		b.changed = true
	}
	return w
}

// dropOldestRun makes room for another run. Nothing is known of it any more, so
// nobody can be condemned for it.
func (b *Book) dropOldestRun() {
	oldest := ""
	for id, r := range b.runs {
		if oldest == "" || r.wall.Before(b.runs[oldest].wall) {
			oldest = id
		}
	}
	b.dropRun(oldest)
	b.forgotten++
}

func (b *Book) dropRun(id string) {
	for key, w := range b.runs[id].words {
		s := b.sources[key]
		s.words--
		if !w.ended {
			s.open--
		}
	}
	delete(b.runs, id)
}

// dropOldestSource makes room for another source. Its runs can't be judged any
// more, since it might have been the one that lives.
func (b *Book) dropOldestSource() {
	oldest := ""
	for key, s := range b.sources {
		if oldest == "" || s.wall.Before(b.sources[oldest].wall) {
			oldest = key
		}
	}
	b.dropSource(oldest, true)
}

func (b *Book) dropSource(key string, missed bool) {
	for _, r := range b.runs {
		if _, ok := r.words[key]; ok {
			delete(r.words, key)
			r.crowded = r.crowded || missed
		}
	}
	b.leave(key, b.sources[key])
	delete(b.sources, key)
}

// forget drops runs that nobody has mentioned, and sources that nobody has heard,
// for longer than the retention. That the Collector did not listen for so long
// is no silence of theirs.
func (b *Book) forget(now Instant) {
	for id, r := range b.runs {
		if now.Wall.Sub(r.wall) > b.policy.Retention {
			b.dropRun(id)
			b.changed = true
		}
	}
	for key, s := range b.sources {
		silent := b.all.since(s.atAll) > b.limit(s)
		if now.Wall.Sub(s.wall) > b.policy.Retention && (silent || s.words == 0) {
			b.dropSource(key, false)
			b.changed = true
		}
	}
}
