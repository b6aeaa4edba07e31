// Package stack runs the pipeline on one machine: the Collector, Prometheus and
// Alertmanager as child processes, and the webhook that keeps notifications.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/evotel/evotel"
	"github.com/evotel/evotel/internal/webhook"
)

// readyTimeout is how long a server may take until it is ready.
const readyTimeout = 60 * time.Second

// Options say where and how the pipeline runs.
type Options struct {
	// Dir keeps configuration, data, logs and notifications. It must exist.
	Dir string
	// BinDir holds the programs evotelcol, prometheus and alertmanager.
	BinDir string
	// PortOffset is added to every port.
	PortOffset int
	// CollectorEnv is the Collector's environment besides our own: NAME=value.
	CollectorEnv []string
	// Progress is told what is being done, a line each.
	Progress func(string)
}

// Stack is a running pipeline.
type Stack struct {
	Addresses
	// Notifications is the file of the webhook's JSON lines.
	Notifications string

	processes []*Process
	failed    chan error
	closers   []func() error
}

// Start starts the pipeline and returns when every server is ready. What has
// been started is stopped again when a later part fails or ctx is done.
func Start(ctx context.Context, options Options) (_ *Stack, err error) {
	stack := &Stack{
		Addresses:     addresses(options.PortOffset),
		Notifications: filepath.Join(options.Dir, "notifications.jsonl"),
		failed:        make(chan error, 4),
	}
	if err := errors.Join(checkOffset(options.PortOffset), checkEnvironment()); err != nil {
		return nil, err
	}
	unlock, err := lock(options.Dir)
	if err != nil {
		return nil, err
	}
	stack.closers = append(stack.closers, unlock)
	defer func() {
		if err != nil {
			err = errors.Join(err, stack.Stop())
		}
	}()
	if err := stack.checkFree(); err != nil {
		return nil, err
	}
	if err := writeConfig(options.Dir, options.PortOffset); err != nil {
		return nil, err
	}
	if err := stack.serveWebhook(); err != nil {
		return nil, err
	}

	in := func(elements ...string) string { return filepath.Join(append([]string{options.Dir}, elements...)...) }
	servers := []struct {
		name      string
		args, env []string
		ready     string
	}{
		{
			name: "evotelcol",
			args: []string{"--config", in("collector-config", "collector.yaml"), "--config", in("collector-config", "persistent.yaml")},
			env: append([]string{
				"EVOTEL_OTLP_GRPC_ENDPOINT=" + stack.OTLPGRPC,
				"EVOTEL_OTLP_HTTP_ENDPOINT=" + stack.OTLPHTTP,
				"EVOTEL_PROMETHEUS_ENDPOINT=" + stack.Exporter,
				"EVOTEL_HEALTH_ENDPOINT=" + stack.Health,
				"EVOTEL_STATE_DIR=" + in("collector"),
				"EVOTEL_TELEMETRY_PORT=" + strconv.Itoa(portTelemetry+options.PortOffset),
			}, options.CollectorEnv...),
			ready: "http://" + stack.Health + "/status",
		},
		{
			name: "alertmanager",
			args: []string{
				"--config.file=" + in("collector-config", "alertmanager.yaml"),
				"--storage.path=" + in("alertmanager"),
				"--web.listen-address=" + stack.Alertmanager,
				"--cluster.listen-address=", // alone: no cluster
			},
			ready: "http://" + stack.Alertmanager + "/-/ready",
		},
		{
			name: "prometheus",
			args: []string{
				"--config.file=" + in("collector-config", "prometheus.yaml"),
				"--storage.tsdb.path=" + in("prometheus"),
				"--storage.tsdb.retention.time=30d",
				"--web.listen-address=" + stack.Prometheus,
			},
			ready: "http://" + stack.Prometheus + "/-/ready",
		},
	}
	for _, server := range servers {
		options.Progress("starting " + server.name)
		process, err := StartProcess(server.name, filepath.Join(options.BinDir, server.name),
			server.args, append(memoryThrift(), server.env...), in("logs"))
		if err != nil {
			return nil, err
		}
		stack.processes = append(stack.processes, process)
	}
	for i, server := range servers {
		if err := waitReady(ctx, stack.processes[i], server.ready); err != nil {
			return nil, err
		}
		options.Progress(server.name + " is ready")
	}
	for _, process := range stack.processes {
		go func() {
			<-process.Done()
			stack.failed <- process.Ended()
		}()
	}
	return stack, nil
}

// memoryThrift makes the servers give memory back sooner: the pipeline stands
// beside a loop that needs the machine. A value that the user has set wins.
func memoryThrift() []string {
	if _, set := os.LookupEnv("GOGC"); set {
		return nil
	}
	return []string{"GOGC=50"}
}

// PIDs of the servers by name.
func (s *Stack) PIDs() map[string]int {
	pids := make(map[string]int, len(s.processes))
	for _, process := range s.processes {
		pids[process.Name] = process.PID()
	}
	return pids
}

// Failed tells of a part that has ended while it should run.
func (s *Stack) Failed() <-chan error { return s.failed }

// Stop ends everything, the last started first.
func (s *Stack) Stop() error {
	var errs []error
	for i := len(s.processes) - 1; i >= 0; i-- {
		errs = append(errs, s.processes[i].Stop())
	}
	for _, closer := range s.closers {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

func (s *Stack) serveWebhook() error {
	sink, err := webhook.Open(s.Notifications)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Webhook)
	if err != nil {
		return errors.Join(fmt.Errorf("listening for notifications: %w", err), sink.Close())
	}
	server := &http.Server{Handler: sink, ReadHeaderTimeout: readyTimeout}
	s.closers = append(s.closers, server.Close, sink.Close)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("the webhook stopped: %w", err)
		}
	}()
	return nil
}

// waitReady polls url until it answers 200.
func waitReady(ctx context.Context, process *Process, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var last error
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("asking whether %s is ready: %w", process.Name, err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-process.Done():
			return process.Ended()
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready (%w): %w. Its last lines:\n%s", process.Name, ctx.Err(), last, process.tail(15))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// loopbackPort finds the addresses of the servers in the embedded files.
var loopbackPort = regexp.MustCompile(`127\.0\.0\.1:(\d+)`)

// writeConfig unpacks the embedded files below dir, with every loopback port
// shifted by offset, and makes the folder of logs.
func writeConfig(dir string, offset int) error {
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		return fmt.Errorf("making the folder of logs: %w", err)
	}
	return fs.WalkDir(evotel.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := evotel.Files.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading the embedded %s: %w", name, err)
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o700); err != nil {
			return fmt.Errorf("making the folder of %s: %w", name, err)
		}
		if err := os.WriteFile(target, shiftPorts(content, offset), 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		return nil
	})
}

func shiftPorts(content []byte, offset int) []byte {
	return loopbackPort.ReplaceAllFunc(content, func(address []byte) []byte {
		port, err := strconv.Atoi(string(loopbackPort.FindSubmatch(address)[1]))
		if err != nil {
			return address
		}
		return []byte(net.JoinHostPort(host, strconv.Itoa(port+offset)))
	})
}
