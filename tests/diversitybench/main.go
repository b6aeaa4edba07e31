// Command diversitybench measures the diversity processor against numpy and scipy
// in one run, prints tables in Markdown, and fails if a figure that the project
// promises is not met.
//
//	go run ./tests/diversitybench
//
// It counts processor time of one core, which other work on the machine disturbs
// less than the time that passes.
package main

import (
	"fmt"
	"math"
	"os"
)

// work is where programs are built and the peer is installed.
const work = "build/diversitybench"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "diversitybench:", err)
		os.Exit(1)
	}
}

func run() error {
	if _, err := os.Stat("go.mod"); err != nil {
		return fmt.Errorf("it must be run in the root of the repository: %w", err)
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	const processor = "processors/diversityprocessor"
	measures, err := build(processor + "/internal/measure")
	if err != nil {
		return err
	}
	whole, err := build(processor)
	if err != nil {
		return err
	}
	ours := map[string]result{}
	for _, set := range []struct {
		of            benchmarks
		pattern, time string
	}{
		{measures, "Manhattan|Hamming", "300ms"},
		{measures, "Measures", "30ms"},
		{whole, "Processor/./d=64/n=1000$", "300ms"},
	} {
		if err := set.of.run(set.pattern, set.time, ours); err != nil {
			return err
		}
	}
	peer, err := runPeer()
	if err != nil {
		return err
	}
	missed := compare(ours, peer) + growth(ours)
	samples(ours)
	if missed > 0 {
		return fmt.Errorf("%d figures are not met", missed)
	}
	return nil
}

// comparison is a row of the table: a benchmark of ours and the peer's.
type comparison struct {
	what, ours, peer string
	// what is asked for: 0 is nothing
	ratio, milliseconds, bytes, allocations float64
	// sameValue is whether both must have the same result.
	sameValue bool
}

func compare(ours map[string]result, peer map[string]peerResult) (missed int) {
	fmt.Printf("Processor time on one core; %s.\n\n", peer["versions"].Text)
	fmt.Println("| what | peer | ours | peer's | ratio | our memory, allocations | peer's memory | asked |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, c := range []comparison{
		{what: "mean Manhattan distance, n=10000 d=768", ours: "Manhattan/n=10000/d=768", peer: "pairs/n=10000/d=768", ratio: 80, milliseconds: 200, bytes: 5e6, sameValue: true},
		{what: "mean Manhattan distance, n=10000 d=768", ours: "Manhattan/n=10000/d=768", peer: "sorted/n=10000/d=768", sameValue: true},
		{what: "mean Manhattan distance, n=100 d=768", ours: "Manhattan/n=100/d=768", peer: "pairs/n=100/d=768", ratio: 1, sameValue: true},
		{what: "mean Manhattan distance, n=100 d=64", ours: "Manhattan/n=100/d=64", peer: "pairs/n=100/d=64", ratio: 1, sameValue: true},
		{what: "mean Hamming distance, n=10000 d=64", ours: "Hamming/n=10000/d=64", peer: "hamming/n=10000/d=64", milliseconds: 0.5, sameValue: true},
		{what: "mean Hamming distance, n=10000 d=64", ours: "Hamming/n=10000/d=64", peer: "counts/n=10000/d=64", sameValue: true},
		{what: "whole processor, numeric, n=1000 d=64", ours: "Processor/numeric/d=64/n=1000", peer: "measures/n=1000/d=64", ratio: 1, milliseconds: 10, allocations: 10 * 17},
		{what: "whole processor, categorical, n=1000 d=64", ours: "Processor/categorical/d=64/n=1000", milliseconds: 10, allocations: 10 * 17},
		{what: "whole processor, MinHash, n=1000 d=64", ours: "Processor/minhash/d=64/n=1000"},
		{what: "whole processor, token sets, n=1000 d=64", ours: "Processor/tokens/d=64/n=1000"},
	} {
		if !c.print(ours["Benchmark"+c.ours], peer[c.peer]) {
			missed++
		}
	}
	fmt.Println()
	return missed
}

// names of the peer's ways
var ways = map[string]string{
	"pairs": "scipy pdist(…, 'cityblock').mean()", "sorted": "numpy, sorting as ours", "hamming": "scipy pdist(…, 'hamming').mean()",
	"counts": "numpy, counting as ours", "measures": "numpy and scipy, the same measures",
}

func (c comparison) print(ours result, peer peerResult) (met bool) {
	took := ours["cpu-ns/op"] / 1e6
	met = took > 0
	peers := "| |"
	peerMemory := ""
	if c.peer != "" {
		ratio := peer.Seconds * 1e3 / took
		met = met && ratio >= c.ratio && (!c.sameValue || math.Abs(peer.Value-ours["mean"]) < 1e-12)
		peers = fmt.Sprintf("| %.3g ms | %.3g |", peer.Seconds*1e3, ratio)
		peerMemory = fmt.Sprintf("%.2g MB", peer.Bytes/1e6)
	}
	fmt.Printf("| %s | %s | %.3g ms %s %.2g MB in %g | %s |", c.what, ways[kindOf(c.peer)], took, peers, ours["B/op"]/1e6, ours["allocs/op"], peerMemory)
	for _, limit := range []struct {
		asked, is float64
		text      string
	}{
		{c.milliseconds, took, "≤ %g ms"}, {c.bytes, ours["B/op"], "≤ %g B"}, {c.allocations, ours["allocs/op"], "≤ %g allocations"},
	} {
		if limit.asked > 0 {
			met = met && limit.is <= limit.asked
			fmt.Printf(" "+limit.text, limit.asked)
		}
	}
	if c.ratio > 0 {
		fmt.Printf(" ratio ≥ %g", c.ratio)
	}
	if !met {
		fmt.Print(" **not met**")
	}
	fmt.Println(" |")
	return met
}
