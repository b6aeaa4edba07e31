package instrumentation

// MinHashSize is the number of values in a MinHash signature.
const MinHashSize = 128

// MinHash is the signature of a set of tokens, such as those of a program: 128
// values of 32 bits, as a Categorical genome. The share of positions in which
// two signatures differ estimates the Jaccard distance J of their sets, with a
// standard error of sqrt(J(1-J)/128), at most 0.044 (Broder, "On the resemblance
// and containment of documents", 1997).
//
// In 64-bit arithmetic without sign, modulo 2^64, and for i = 0..127:
//
//	mix(x):    x ^= x >> 30;  x *= 0xbf58476d1ce4e5b9
//	           x ^= x >> 27;  x *= 0x94d049bb133111eb
//	           x ^= x >> 31
//	seed[i]    = mix((i+1) * 0x9e3779b97f4a7c15)
//	hash(t)    = FNV-1a, 64 bits, of the token's UTF-8 bytes
//	value[i]   = the least, over all tokens t, of mix(hash(t) ^ seed[i]) >> 32
//
// mix is the finaliser of SplitMix64. A set without tokens has 0xffffffff
// everywhere. Order and repetition of tokens don't matter. The README has test
// vectors and the same in Python.
func MinHash(tokens []string) Genome {
	signature := make([]int64, MinHashSize)
	for i := range signature {
		signature[i] = 0xffffffff
	}
	var seeds [MinHashSize]uint64
	for i := range seeds {
		seeds[i] = mix(uint64(i+1) * 0x9e3779b97f4a7c15)
	}
	for _, token := range tokens {
		h := fnv1a(token)
		for i, seed := range seeds {
			if v := int64(mix(h^seed) >> 32); v < signature[i] {
				signature[i] = v
			}
		}
	}
	return Categorical(signature)
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}

// fnv1a is hash/fnv's New64a without the copy to bytes.
func fnv1a(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}
