// Command sleeper is what the containers of tests run. It sleeps until told to
// stop; with arguments it first does something:
//
//	exit CODE     ends at once
//	eat MEBIBYTES keeps that much memory
//	work          uses 0.3 s of CPU, 16 MiB of memory and some disk
package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	keep := do(os.Args[1:])
	<-stop
	_ = keep
}

// do returns the memory that it keeps.
func do(args []string) []byte {
	if len(args) == 0 {
		return nil
	}
	number := 0
	if len(args) > 1 {
		number, _ = strconv.Atoi(args[1])
	}
	switch args[0] {
	case "exit":
		os.Exit(number)
	case "eat":
		return touched(number << 20)
	case "work":
		for used() < 300*time.Millisecond {
			_ = touched(1 << 20)
		}
		if f, err := os.OpenFile("/scratch/data", os.O_CREATE|os.O_WRONLY|os.O_SYNC, 0o600); err == nil {
			_, _ = f.Write(make([]byte, 4<<20))
			_ = f.Close()
		}
		return touched(16 << 20)
	}
	return nil
}

// used is the CPU time of this process in user mode.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return time.Hour
	}
	return time.Duration(u.Utime.Nano())
}

func touched(size int) []byte {
	b := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		b[i] = 1
	}
	return b
}
