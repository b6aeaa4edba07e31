package scoring

import (
	"archive/tar"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// The files of the image, which holds nothing else.
const (
	imageProgram = "/strategyloop"
	imagePrices  = "/prices.csv"
)

var notInTag = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// imageOf is the name of a run's image. Tags allow fewer characters than ids of
// runs do.
func imageOf(runID string) string {
	tag := notInTag.ReplaceAllString(runID, "_")
	if tag == "" || tag[0] == '.' || tag[0] == '-' {
		tag = "_" + tag
	}
	return "evotel-strategyloop:" + tag[:min(len(tag), 128)]
}

// importImage makes the image of a static program and prices, from scratch.
func importImage(ctx context.Context, api *client.Client, name, program string, prices []byte) (err error) {
	doing := func(err error) error { return fmt.Errorf("importing the sandboxes' image %s: %w", name, err) }
	if err := checkStatic(program); err != nil {
		return doing(err)
	}
	file, err := os.Open(program)
	if err != nil {
		return doing(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(writeTar(writer, file, prices)) }()
	defer func() { _ = reader.Close() }() // ends the goroutine if the Engine stops reading
	answer, err := api.ImageImport(ctx, image.ImportSource{Source: reader, SourceName: "-"}, name, image.ImportOptions{})
	if err != nil {
		return doing(err)
	}
	defer func() { _ = answer.Close() }()
	// The Engine sends messages as it goes; errors are among them.
	for messages := json.NewDecoder(answer); ; {
		var message struct {
			Error string `json:"error"`
		}
		switch err := messages.Decode(&message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return doing(err)
		case message.Error != "":
			return doing(errors.New(message.Error))
		}
	}
}

func writeTar(to io.Writer, program *os.File, prices []byte) error {
	info, err := program.Stat()
	if err != nil {
		return err
	}
	archive := tar.NewWriter(to)
	if err := archive.WriteHeader(&tar.Header{Name: imageProgram[1:], Mode: 0o555, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, program); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: imagePrices[1:], Mode: 0o444, Size: int64(len(prices))}); err != nil {
		return err
	}
	if _, err := archive.Write(prices); err != nil {
		return err
	}
	return archive.Close()
}

// checkStatic returns an error if a program can't run in an image that holds
// nothing else.
func checkStatic(program string) (err error) {
	file, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("this program is not one for Linux, and can't run in a sandbox: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return errors.New("this program needs shared libraries, and can't run in a sandbox: build it with CGO_ENABLED=0")
		}
	}
	return nil
}
