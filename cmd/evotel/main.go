// Command evotel runs the pipeline that watches evolutionary loops.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	// A reader of our output that has gone (SIGPIPE) is a reason to end, too.
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "evotel:", err)
		stop()
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "evotel",
		Short: "Watch autonomous evolutionary loops",
		Long: `evotel watches autonomous evolutionary loops: it runs an OpenTelemetry Collector,
Prometheus and Alertmanager, and looks after the Docker sandboxes that loops
leave behind. Everything listens on loopback only.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(newDemoCommand(), newUpCommand(), newWebhookCommand(), newSandboxesCommand(), newLabelsCommand())
	return root
}
