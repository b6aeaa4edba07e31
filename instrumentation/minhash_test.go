package instrumentation_test

import (
	"encoding/json"
	"fmt"
	"go/scanner"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/instrumentation"
	"github.com/evotel/evotel/semconv"
)

// signature reads a genome back from what is exported of it.
func signature(t testing.TB, genomes ...instrumentation.Genome) [][]int64 {
	m, collect := monitor(t)
	population := make([]instrumentation.Individual, len(genomes))
	for i, g := range genomes {
		population[i].Genome = g
	}
	m.Run().Population("", population)
	var out [][]int64
	for _, p := range collect().individuals() {
		v, _ := p.Attributes.Value(semconv.AttrIndividualGenome)
		out = append(out, v.AsInt64Slice())
	}
	return out
}

func TestMinHashVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/minhash.json")
	require.NoError(t, err)
	var vectors []struct {
		Tokens    []string
		Signature []int64
	}
	require.NoError(t, json.Unmarshal(data, &vectors))
	require.NotEmpty(t, vectors)
	for _, v := range vectors {
		assert.Equal(t, v.Signature, signature(t, instrumentation.MinHash(v.Tokens))[0], "%q", v.Tokens)
	}
}

func TestMinHashKnowsSetsOnly(t *testing.T) {
	s := signature(t,
		instrumentation.MinHash([]string{"a", "b"}),
		instrumentation.MinHash([]string{"b", "a", "b"}),
		instrumentation.MinHash([]string{"ab"}))
	assert.Equal(t, s[0], s[1])
	assert.NotEqual(t, s[0], s[2])
}

// goTokens are the tokens of a Go program.
func goTokens(t *testing.T, file string) []string {
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile(file, fset.Base(), len(source)), source, nil, 0)
	var tokens []string
	for {
		_, tok, lit := s.Scan()
		if tok == token.EOF {
			return tokens
		}
		if lit == "" {
			lit = tok.String()
		}
		tokens = append(tokens, lit)
	}
}

func set(tokens []string) map[string]bool {
	s := map[string]bool{}
	for _, t := range tokens {
		s[t] = true
	}
	return s
}

func jaccardDistance(a, b map[string]bool) float64 {
	both := 0
	for t := range a {
		if b[t] {
			both++
		}
	}
	return 1 - float64(both)/float64(len(a)+len(b)-both)
}

// Pairs of independent sets: the errors, each in units of its standard error,
// must have mean 0 and root mean square 1, within 4 standard errors of their own.
func TestMinHashIsUnbiased(t *testing.T) {
	const pairs = 500
	var genomes []instrumentation.Genome
	var exact []float64
	for pair := range pairs {
		var a, b []string
		for i := range 60 {
			common := fmt.Sprint("common", pair, i)
			a = append(a, fmt.Sprint("a", pair, i))
			b = append(b, fmt.Sprint("b", pair, i))
			if i < 10+pair%50 {
				a, b = append(a, common), append(b, common)
			}
		}
		genomes = append(genomes, instrumentation.MinHash(a), instrumentation.MinHash(b))
		exact = append(exact, jaccardDistance(set(a), set(b)))
	}
	signatures := signature(t, genomes...)
	var sum, squares float64
	for pair := range pairs {
		d := deviation(signatures[2*pair], signatures[2*pair+1], exact[pair])
		sum += d
		squares += d * d
	}
	assert.InDelta(t, 0, sum/pairs, 4/math.Sqrt(pairs))
	assert.InDelta(t, 1, squares/pairs, 4*math.Sqrt(2.0/pairs))
}

// deviation is how far the distance of two signatures is from the exact one, in
// standard errors.
func deviation(a, b []int64, exact float64) float64 {
	differ := 0
	for k := range a {
		if a[k] != b[k] {
			differ++
		}
	}
	return (float64(differ)/float64(len(a)) - exact) / math.Sqrt(exact*(1-exact)/float64(len(a)))
}

// Source files of one language share most of their common tokens, so these
// errors are far from independent and may lean to one side together.
func TestMinHashEstimatesJaccardOnRealPrograms(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	more, err := filepath.Glob("../semconv/*.go")
	require.NoError(t, err)
	files = append(files, more...)
	require.Greater(t, len(files), 15)
	sets := make([]map[string]bool, len(files))
	genomes := make([]instrumentation.Genome, len(files))
	for i, file := range files {
		tokens := goTokens(t, file)
		sets[i], genomes[i] = set(tokens), instrumentation.MinHash(tokens)
	}
	signatures := signature(t, genomes...)

	var squares, sum, pairs float64
	for i := range files {
		for j := range i {
			exact := jaccardDistance(sets[i], sets[j])
			d := deviation(signatures[i], signatures[j], exact)
			assert.Less(t, math.Abs(d), 5.0, "%s, %s", files[i], files[j])
			squares += d * d
			sum += d
			pairs++
		}
	}
	t.Logf("%v pairs of %v files: error is %.2f standard errors (root mean square), bias %.2f", pairs, len(files), math.Sqrt(squares/pairs), sum/pairs)
	assert.Less(t, math.Sqrt(squares/pairs), 1.3)
	assert.Less(t, math.Abs(sum/pairs), 1.0)
}

func FuzzMinHash(f *testing.F) {
	f.Add("a b c")
	f.Add("")
	f.Add("\xff \x00")
	f.Fuzz(func(t *testing.T, text string) {
		tokens := strings.Fields(text)
		reversed := make([]string, 0, 2*len(tokens))
		for i := range tokens {
			reversed = append(reversed, tokens[len(tokens)-1-i], tokens[0])
		}
		assert.Equal(t, instrumentation.MinHash(tokens), instrumentation.MinHash(reversed))
	})
}
