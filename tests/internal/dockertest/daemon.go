package dockertest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is the process of a private Engine.
type daemon struct {
	path, dir, endpoint string
	log                 bytes.Buffer
	cmd                 *exec.Cmd
	ended               chan struct{}
}

// start returns once the Engine answers.
func (d *daemon) start(t testing.TB) {
	t.Helper()
	d.log.Reset()
	d.cmd = exec.Command(d.path, "--bridge=none", "--iptables=false", "-H", d.endpoint,
		"--data-root", filepath.Join(d.dir, "data"), "--exec-root", filepath.Join(d.dir, "exec"), "--pidfile", filepath.Join(d.dir, "pid"))
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("starting a private Docker Engine: %v", err)
	}
	d.ended = make(chan struct{})
	go func() {
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	deadline := time.Now().Add(time.Minute)
	for {
		if err := d.ping(); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("the private Docker Engine did not answer in a minute: %v", err)
		}
		select {
		case <-d.ended:
			t.Fatalf("the private Docker Engine ended: %v\n%s", d.cmd.ProcessState, d.log.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d *daemon) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(d.endpoint, "unix://"))
	if err != nil {
		return err
	}
	return conn.Close()
}

func (d *daemon) stop(t testing.TB) {
	if d.cmd == nil || d.cmd.Process == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(time.Minute):
		_ = d.cmd.Process.Kill()
		<-d.ended
		t.Error("the private Docker Engine did not end in a minute")
	}
}

// Own skips the test unless the Engine is its own, to be emptied and stopped at
// will.
func (e *Engine) Own(t testing.TB) {
	t.Helper()
	if e.daemon == nil {
		const how = "this test needs a Docker Engine of its own, with nothing else on it: run as root on Linux with dockerd installed"
		if os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip("SKIPPED: " + how)
	}
}

// Processes returns the PIDs of the Engine and of its containerd.
func (e *Engine) Processes(t testing.TB) []int {
	t.Helper()
	e.Own(t)
	pid := e.daemon.cmd.Process.Pid
	return append([]int{pid}, childrenOf(t, pid)...)
}

// Pause keeps the Engine from doing anything until Resume.
func (e *Engine) Pause(t testing.TB) { e.signal(t, syscall.SIGSTOP) }

// Resume ends Pause.
func (e *Engine) Resume(t testing.TB) { e.signal(t, syscall.SIGCONT) }

func (e *Engine) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	e.Own(t)
	if err := e.daemon.cmd.Process.Signal(s); err != nil {
		t.Fatalf("sending %v to the private Docker Engine: %v", s, err)
	}
}

// Stop ends the Engine, and with it the containers' processes.
func (e *Engine) Stop(t testing.TB) {
	t.Helper()
	e.Own(t)
	e.daemon.stop(t)
}

// Restart starts the Engine again after Stop.
func (e *Engine) Restart(t testing.TB) {
	t.Helper()
	e.daemon.start(t)
}
