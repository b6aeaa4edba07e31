package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// greatestPower of n counts as linear. Caches that overflow make it a little more
// than 1; n² would be 2.
const greatestPower = 1.3

// growth shows how time grows with n: the line a + b·n fitted to it, how much of its
// variance the line explains, and the power of n that fits best.
func growth(ours map[string]result) (missed int) {
	points := map[string][][2]float64{}
	for name, r := range ours {
		series, n, ok := strings.Cut(name, "/n=")
		size, err := strconv.ParseFloat(n, 64)
		if ok && err == nil && strings.HasPrefix(series, "BenchmarkMeasures/") {
			series = strings.TrimPrefix(series, "BenchmarkMeasures/")
			points[series] = append(points[series], [2]float64{size, r["cpu-ns/op"] / 1e6})
		}
	}
	fmt.Println("Time over n = 100 … 100000 at 64 loci: the line a + b·n explains the share R² of its variance, and the best power of n is the last column.")
	fmt.Println("Measures by pairs (Vendi, token sets) are sampled from some n on.")
	fmt.Println()
	fmt.Println("| genomes | measure | n=100 | n=100000 | R² | power of n |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, series := range sortedKeys(points) {
		kind, measure, _ := strings.Cut(series, "/")
		explained, power := linearity(points[series])
		note := ""
		if measure != "vendi_2" && kind != "tokens" && power > greatestPower {
			missed++
			note = " **not linear**"
		}
		took := func(n string) float64 { return ours["BenchmarkMeasures/"+series+"/n="+n]["cpu-ns/op"] / 1e6 }
		fmt.Printf("| %s | `%s` | %.2g ms | %.3g ms | %.4f | %.2f%s |\n", kind, measure, took("100"), took("100000"), explained, power, note)
	}
	fmt.Println()
	return missed
}

func linearity(points [][2]float64) (explained, power float64) {
	logs := make([][2]float64, len(points))
	for i, p := range points {
		logs[i] = [2]float64{math.Log(p[0]), math.Log(p[1])}
	}
	a, b := line(points)
	_, power = line(logs)
	var mean, residual, total float64
	for _, p := range points {
		mean += p[1] / float64(len(points))
	}
	for _, p := range points {
		residual += (p[1] - a - b*p[0]) * (p[1] - a - b*p[0])
		total += (p[1] - mean) * (p[1] - mean)
	}
	return 1 - residual/total, power
}

// line is the least squares line a + b·x.
func line(points [][2]float64) (a, b float64) {
	var x, y, xx, xy float64
	for _, p := range points {
		x, y, xx, xy = x+p[0], y+p[1], xx+p[0]*p[0], xy+p[0]*p[1]
	}
	n := float64(len(points))
	b = (n*xy - x*y) / (n*xx - x*x)
	return (y - b*x) / n, b
}

// samples shows what a sample of the pairs costs in certainty.
func samples(ours map[string]result) {
	fmt.Println("| genomes at 64 loci | n | `vendi_2` | its standard error | time |")
	fmt.Println("|---|---|---|---|---|")
	for _, kind := range []string{"numeric", "two clusters", "categorical", "tokens"} {
		for _, n := range []string{"100", "1000", "10000", "100000"} {
			r, ok := ours["BenchmarkMeasures/"+strings.ReplaceAll(kind, " ", "_")+"/vendi_2/n="+n]
			if !ok {
				continue
			}
			certainty := "exact"
			if r["stderr"] > 0 {
				certainty = fmt.Sprintf("%.1g", r["stderr"])
			}
			fmt.Printf("| %s | %s | %.6g | %s | %.2g ms |\n", kind, n, r["value"], certainty, r["cpu-ns/op"]/1e6)
		}
	}
}

func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, "/")
	return kind
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
