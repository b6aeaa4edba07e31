package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/evotel/evotel/internal/webhook"
)

func newWebhookCommand() *cobra.Command {
	var listen, file string
	command := &cobra.Command{
		Use:   "webhook",
		Short: "Keep each of Alertmanager's notifications as a JSON line in a file",
		Long: `Receives Alertmanager's webhook notifications and appends each to a file as one
JSON line: {"receivedAt": …, "notification": …}. Point a webhook receiver of
Alertmanager's at it: url: http://127.0.0.1:9095/`,
		Example: "  evotel webhook --file notifications.jsonl",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listening for notifications: %w; choose another address with --listen", err)
			}
			sink, err := webhook.Open(file)
			if err != nil {
				return errors.Join(err, listener.Close())
			}
			defer func() { _ = sink.Close() }()
			_, _ = fmt.Fprintf(command.OutOrStdout(), "Keeping notifications to http://%s/ in %s. Ctrl-C ends it.\n", listener.Addr(), file)
			return serve(command.Context(), listener, sink)
		},
	}
	command.Flags().StringVar(&listen, "listen", "127.0.0.1:9095", "address to listen on")
	command.Flags().StringVar(&file, "file", "notifications.jsonl", "file to append to")
	return command
}

// serve answers requests until ctx is done and those begun are answered.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(shutdown); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("ending the server: %w", err)
	}
	return nil
}
