// Package market reads daily closing prices.
package market

import (
	"bufio"
	"bytes"
	_ "embed" // for the prices below
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// europe holds the closing prices of four European share indices, 1991-1998:
// the data set EuStockMarkets of R's package datasets, by Erste Bank AG, Vienna.
//
//go:embed eustockmarkets.csv
var europe []byte

// Europe returns the embedded prices as CSV: DAX, SMI, CAC and FTSE, 1860
// trading days.
func Europe() []byte { return bytes.Clone(europe) }

// Prices are closing prices of some markets on the same days, oldest first.
type Prices struct {
	// Markets are the markets' names.
	Markets []string
	// Time is a decimal year for each day, strictly increasing.
	Time []float64
	// Close has a price for each market and day, indexed in that order. All
	// are finite and positive.
	Close [][]float64
}

// Days is the number of days.
func (p Prices) Days() int { return len(p.Time) }

// First returns the prices of the first days only.
func (p Prices) First(days int) Prices {
	days = max(0, min(days, p.Days()))
	first := Prices{Markets: p.Markets, Time: p.Time[:days:days], Close: make([][]float64, len(p.Close))}
	for m, prices := range p.Close {
		first.Close[m] = prices[:days:days]
	}
	return first
}

const (
	// MinDays is the number of days below which there is nothing to learn from:
	// a year.
	MinDays = 260
	// MaxMarkets bounds the number of columns, and with it the size of a genome.
	MaxMarkets = 32
	// maxBytes bounds what is read of a file.
	maxBytes = 64 << 20
	// badShare is the share of malformed rows above which the file is not what
	// it should be.
	badShare = 0.1
	// price bounds, far from where arithmetic on prices could overflow.
	minPrice, maxPrice = 1e-9, 1e15
)

// RowError is a row that could not be used.
type RowError struct {
	// Row is the line in the file, from 1, which is the header.
	Row int
	// Column is the name of the column, empty where the whole row is meant.
	Column string
	// Problem says what is wrong.
	Problem string
}

func (e RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("row %d: %s", e.Row, e.Problem)
	}
	return fmt.Sprintf("row %d, column %s: %s", e.Row, e.Column, e.Problem)
}

// ReadFile reads a CSV file; see Read.
func ReadFile(name string) (data []byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading prices: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err = io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading prices: %w", err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("reading prices: %s is larger than %d MiB", name, maxBytes>>20)
	}
	return data, nil
}

// Read reads prices from CSV. The header is "time" and the names of 1 to 32
// markets; each row has a decimal year, later than the row before, and a
// positive price for each market.
//
// Malformed rows are left out and returned. The error names the first row and
// column that is wrong if there is no such header, more than a tenth of the rows
// are malformed, or fewer than a year of days remains.
func Read(data []byte) (Prices, []RowError, error) {
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	row := 0
	next := func() bool {
		row++
		return lines.Scan()
	}
	if !next() {
		return Prices{}, nil, fmt.Errorf("reading prices: %w", errors.Join(RowError{1, "", "expected the header \"time\" and names of markets, found nothing"}, lines.Err()))
	}
	markets, err := readHeader(lines.Text())
	if err != nil {
		return Prices{}, nil, fmt.Errorf("reading prices: %w", err)
	}
	p := Prices{Markets: markets, Close: make([][]float64, len(markets))}
	var skipped []RowError
	values := make([]float64, 1+len(markets))
	for next() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		last := math.Inf(-1)
		if n := p.Days(); n > 0 {
			last = p.Time[n-1]
		}
		if column, problem := readRow(values, line, last); problem != "" {
			e := RowError{Row: row, Problem: problem}
			if column >= 0 {
				e.Column = append([]string{"time"}, markets...)[column]
			}
			skipped = append(skipped, e)
			continue
		}
		p.Time = append(p.Time, values[0])
		for m, price := range values[1:] {
			p.Close[m] = append(p.Close[m], price)
		}
	}
	if err := lines.Err(); err != nil {
		return Prices{}, skipped, fmt.Errorf("reading prices: %w", RowError{row, "", err.Error()})
	}
	return p, skipped, fitness(p, skipped)
}

// fitness says why the prices are not fit for use, if so.
func fitness(p Prices, skipped []RowError) error {
	if bad := len(skipped); float64(bad) > badShare*float64(bad+p.Days()) {
		return fmt.Errorf("reading prices: %d of %d rows are malformed, the first is %w", bad, bad+p.Days(), skipped[0])
	}
	if p.Days() < MinDays {
		short := fmt.Errorf("reading prices: %d days, expected at least %d", p.Days(), MinDays)
		if len(skipped) > 0 {
			short = fmt.Errorf("%w; the first malformed one is %w", short, skipped[0])
		}
		return short
	}
	return nil
}

func readHeader(line string) ([]string, error) {
	names := strings.Split(strings.TrimSpace(line), ",")
	seen := map[string]bool{}
	for i, name := range names {
		name = strings.TrimSpace(strings.Trim(strings.TrimSpace(name), `"`))
		names[i] = name
		switch {
		case i == 0 && name != "time":
			return nil, RowError{1, "", fmt.Sprintf("the first column is %q, expected \"time\"", clip(name))}
		case name == "":
			return nil, RowError{1, "", fmt.Sprintf("column %d has no name", i+1)}
		case seen[name]:
			return nil, RowError{1, "", fmt.Sprintf("two columns are named %q", clip(name))}
		}
		seen[name] = true
	}
	if n := len(names) - 1; n < 1 || n > MaxMarkets {
		return nil, RowError{1, "", fmt.Sprintf("%d markets, expected 1 to %d", n, MaxMarkets)}
	}
	return names[1:], nil
}

// readRow fills values. It returns the column and what is wrong with it, -1 for
// all of the row.
func readRow(values []float64, line string, last float64) (column int, problem string) {
	fields := strings.Split(line, ",")
	if len(fields) != len(values) {
		return -1, fmt.Sprintf("%d fields, expected %d", len(fields), len(values))
	}
	for i, field := range fields {
		field = strings.TrimSpace(field)
		v, err := strconv.ParseFloat(field, 64)
		switch {
		case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
			return i, fmt.Sprintf("%q is not a number", clip(field))
		case i == 0 && v <= last:
			return i, fmt.Sprintf("%s is not later than the day before", clip(field))
		case i > 0 && (v < minPrice || v > maxPrice):
			return i, fmt.Sprintf("%s is not a price", clip(field))
		}
		values[i] = v
	}
	return 0, ""
}

// clip shortens what is quoted in a message.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
