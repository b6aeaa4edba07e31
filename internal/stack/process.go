package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to end after SIGTERM.
const stopTimeout = 10 * time.Second

// Process is a child that dies with us, whose output goes to a file.
type Process struct {
	Name    string
	LogFile string

	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// StartProcess starts the program at path in a process group of its own, so that
// a Ctrl-C in the terminal reaches us only and we decide the order of the end.
// env is added to our own environment. Output goes to logDir/name.log.
func StartProcess(name, path string, args, env []string, logDir string) (*Process, error) {
	logFile := filepath.Join(logDir, name+".log")
	output, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = childAttributes()

	process := &Process{Name: name, LogFile: logFile, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer func() { _ = output.Close() }()
		// The kernel ends the child with the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			process.err = cmd.Wait()
			close(process.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w; `make build` builds what is missing", name, err)
	}
	return process, nil
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended describes how the process ended, with the last lines that it wrote.
// It may be called once Done is closed.
func (p *Process) Ended() error {
	how := "it ended by itself"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s stopped: %s. Its last lines:\n%s", p.Name, how, p.tail(15))
}

// ExitedCleanly tells whether the process ended with status 0.
func (p *Process) ExitedCleanly() bool { return p.err == nil }

func (p *Process) tail(lines int) string {
	text, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}

// Stop ends the process: SIGTERM, then SIGKILL to it and all its children.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.Name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	killGroup(p.cmd.Process)
	<-p.done
	return fmt.Errorf("%s did not stop within %s and was killed", p.Name, stopTimeout)
}
