package cgroup

import (
	"fmt"
	"strconv"
	"strings"
)

// read returns what is in a file until the next read.
func (r *Reader) read(file string) ([]byte, error) {
	var err error
	r.buffer, err = readInto(r.buffer[:0], file)
	return r.buffer, err
}

// readNumber reads a file that holds one number.
func (r *Reader) readNumber(file string) (uint64, error) {
	b, err := r.read(file)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// field returns the number after a name in lines of "NAME NUMBER", or 0.
func field(file, name string) uint64 {
	for line := range strings.Lines(file) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}

// blkio sums lines of "MAJOR:MINOR OPERATION BYTES".
func blkio(file string) (read, written uint64) {
	for line := range strings.Lines(file) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		n, err := strconv.ParseUint(fields[2], 10, 64)
		if err != nil {
			continue
		}
		switch fields[1] {
		case "Read":
			read += n
		case "Write":
			written += n
		}
	}
	return read, written
}

// ioStat sums lines of "MAJOR:MINOR rbytes=N wbytes=N …".
func ioStat(file string) (read, written uint64) {
	for word := range strings.FieldsSeq(file) {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			continue
		}
		switch key {
		case "rbytes":
			read += n
		case "wbytes":
			written += n
		}
	}
	return read, written
}

// netDev sums /proc/PID/net/dev: "NAME: RECEIVED … (8 fields) SENT …".
func netDev(file string) (received, sent uint64) {
	for line := range strings.Lines(file) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "lo" {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) < 9 {
			continue
		}
		rx, errRx := strconv.ParseUint(fields[0], 10, 64)
		tx, errTx := strconv.ParseUint(fields[8], 10, 64)
		if errRx == nil && errTx == nil {
			received += rx
			sent += tx
		}
	}
	return received, sent
}
