//go:build unix

package mtls_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

// TestPipeIsNotOpened: opening a named pipe waits for a writer, who may never come.
func TestPipeIsNotOpened(t *testing.T) {
	f := newFiles(t)
	if err := os.Remove(f.ca); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(f.ca, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := mtls.NewSource(f.config()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}
