// Package webhook receives Alertmanager's notifications and keeps each as one
// JSON line.
package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// maxBody bounds a notification; Alertmanager's are a few kB an alert.
const maxBody = 16 << 20

// Sink is an http.Handler that appends notifications to a file.
type Sink struct {
	mu   sync.Mutex
	file *os.File
	now  func() time.Time
}

// Open appends to the file at path, which it creates when there is none.
func Open(path string) (*Sink, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the file of notifications: %w", err)
	}
	return &Sink{file: file, now: time.Now}, nil
}

// Close closes the file.
func (s *Sink) Close() error { return s.file.Close() }

// record is one line of the file.
type record struct {
	ReceivedAt   time.Time       `json:"receivedAt"`
	Notification json.RawMessage `json:"notification"`
}

// ServeHTTP takes a POST of Alertmanager's webhook JSON. It answers 2xx once the
// line is written, 4xx to what is no notification, and 5xx when the line can't
// be written, upon which Alertmanager tries again.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "this is a webhook of Alertmanager's: POST a notification", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			http.Error(w, fmt.Sprintf("the notification is larger than %d bytes", maxBody), http.StatusRequestEntityTooLarge)
			return
		}
		http.Error(w, "reading the notification: "+err.Error(), http.StatusBadRequest)
		return
	}
	var shape struct {
		Alerts []json.RawMessage `json:"alerts"`
	}
	if err := json.Unmarshal(body, &shape); err != nil || shape.Alerts == nil {
		http.Error(w, "expected a JSON object with an array `alerts`, as Alertmanager's webhook sends it", http.StatusBadRequest)
		return
	}
	line, err := s.line(body)
	if err == nil {
		err = s.write(line)
	}
	if err != nil {
		http.Error(w, "keeping the notification: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sink) line(body []byte) ([]byte, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		return nil, err
	}
	line, err := json.Marshal(record{ReceivedAt: s.now().UTC(), Notification: compact.Bytes()})
	return append(line, '\n'), err
}

func (s *Sink) write(line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.file.Write(line)
	return err
}
