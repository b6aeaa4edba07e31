package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/image"
)

//go:embed sleeper/main.go
var sleeper []byte

// Image imports an image that holds nothing but /sleeper, which runs until told
// to stop, and returns its name.
func (e *Engine) Image(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "sleeper")
	if err := os.WriteFile(source, sleeper, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", binary, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the sleeper: %v\n%s", err, out)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	_, errWrite := func() (int, error) {
		if err := w.WriteHeader(&tar.Header{Name: "sleeper", Mode: 0o755, Size: int64(len(content))}); err != nil {
			return 0, err
		}
		return w.Write(content)
	}()
	if err := errors.Join(errWrite, w.Close()); err != nil {
		t.Fatal(err)
	}
	const name = "evotel-test-sleeper:latest"
	answer, err := e.API.ImageImport(context.Background(), image.ImportSource{Source: &archive, SourceName: "-"}, name, image.ImportOptions{})
	if err != nil {
		t.Fatalf("importing the sleeper: %v", err)
	}
	defer func() { _ = answer.Close() }()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		t.Fatalf("importing the sleeper: %v", err)
	}
	return name
}
