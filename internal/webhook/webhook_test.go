package webhook

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func post(t *testing.T, sink http.Handler, body string) int {
	t.Helper()
	response := httptest.NewRecorder()
	sink.ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	return response.Code
}

func TestEachNotificationIsOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notifications.jsonl")
	sink, err := Open(path)
	require.NoError(t, err)

	const n = 50
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			body := fmt.Sprintf("{\n  \"groupLabels\": {\"evolution_run_id\": \"run-%d\"},\n \"alerts\": []\n}", i)
			assert.Equal(t, http.StatusNoContent, post(t, sink, body))
		})
	}
	group.Wait()
	require.NoError(t, sink.Close())

	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	runs := map[string]bool{}
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var line struct {
			ReceivedAt   string
			Notification struct{ GroupLabels map[string]string }
		}
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		assert.NotEmpty(t, line.ReceivedAt)
		runs[line.Notification.GroupLabels["evolution_run_id"]] = true
	}
	assert.Len(t, runs, n)
}

func TestRubbishIsRefusedAndNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notifications.jsonl")
	sink, err := Open(path)
	require.NoError(t, err)
	for _, body := range []string{"", "{", "[]", "null", `{"alerts": 3}`, `{"other": []}`} {
		assert.Equal(t, http.StatusBadRequest, post(t, sink, body), "%q", body)
	}
	assert.Equal(t, http.StatusRequestEntityTooLarge, post(t, sink, `{"alerts":["`+strings.Repeat("x", maxBody)+`"]}`))

	response := httptest.NewRecorder()
	sink.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, response.Code)

	require.NoError(t, sink.Close())
	assert.Equal(t, http.StatusInternalServerError, post(t, sink, `{"alerts":[]}`), "a line that can't be written must be tried again")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Empty(t, content)
}
