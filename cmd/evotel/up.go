package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/evotel/evotel/internal/stack"
)

func newUpCommand() *cobra.Command {
	var dir, binDir string
	var portOffset int
	command := &cobra.Command{
		Use:   "up",
		Short: "Run Collector, Prometheus and Alertmanager for your own loops until Ctrl-C",
		Long: `Runs the Collector, Prometheus and Alertmanager with evotel's configuration, and
keeps their data for 30 days. Loops send OTLP to the address that it prints.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return fmt.Errorf("making the folder of data: %w; choose another with --data-dir", err)
			}
			out := command.OutOrStdout()
			pipeline, err := stack.Start(command.Context(), stack.Options{
				Dir: dir, BinDir: binDir, PortOffset: portOffset,
				Progress: func(line string) { _, _ = fmt.Fprintln(out, line) },
			})
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(out, "\n%sData, logs and configuration: %s\nCtrl-C ends it; the data stays.\n", addressTable(pipeline.Addresses), dir)
			select {
			case <-command.Context().Done():
				return pipeline.Stop()
			case err := <-pipeline.Failed():
				_ = pipeline.Stop()
				return err
			}
		},
	}
	command.Flags().StringVar(&dir, "data-dir", defaultDataDir(), "folder of data, logs and configuration")
	addStackFlags(command, &binDir, &portOffset)
	return command
}

func addStackFlags(command *cobra.Command, binDir *string, portOffset *int) {
	command.Flags().StringVar(binDir, "bin-dir", defaultBinDir(), "folder of the programs evotelcol, prometheus, alertmanager and strategyloop")
	command.Flags().IntVar(portOffset, "port-offset", 0, "number to add to every port")
}

// defaultDataDir follows the XDG base directory specification.
func defaultDataDir() string {
	if state := os.Getenv("XDG_STATE_HOME"); state != "" {
		return filepath.Join(state, "evotel")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "evotel-data"
	}
	return filepath.Join(home, ".local", "state", "evotel")
}

// defaultBinDir is where this program is: `make build` puts all into one folder.
func defaultBinDir() string {
	executable, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(executable)
}

func addressTable(a stack.Addresses) string {
	return fmt.Sprintf(`  OTLP for loops   grpc http://%s  http http://%s
  Prometheus       http://%s   (for Grafana: add it as a data source, import dashboards/evolution.json)
  Alertmanager     http://%s
  Collector        http://%s/metrics
`, a.OTLPGRPC, a.OTLPHTTP, a.Prometheus, a.Alertmanager, a.Exporter)
}
