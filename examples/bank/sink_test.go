package main_test

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"
)

// Whoever reads the audit log may stop reading, come back, or go away. Nobody is served unrecorded then, and
// nobody waits longer than 5 s.
func TestAuditIsNotRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	s.stderr = writer
	b := s.start()
	writer.Close()
	client := b.client(&b.cert)
	again := func() call { return call{client: client} }

	full := false
	for range 2000 { // a pipe holds some 64 KiB
		began := time.Now()
		status := b.do(again()).StatusCode
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("the answer took %v", took)
		}
		if full = status == 503; full {
			break
		}
	}
	if !full {
		t.Fatal("requests are served although nobody takes their records")
	}
	rest := make(chan []byte)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(reader, 100<<10))
		rest <- text
	}()
	b.until(200, 10*time.Second, again)
	for range 200 {
		b.do(again())
	}
	text := <-rest
	records(t, string(text[:bytes.LastIndexByte(text, '\n')+1]))
	reader.Close()
	b.until(503, 5*time.Second, again)
	if _, err := b.stop(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

func TestAuditHasNoSpace(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	b := newStage(t).start("-audit", "/dev/full")
	for range 3 {
		a := b.do(call{})
		if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
			t.Errorf("status %d", a.StatusCode)
		}
		isProblem(t, a)
	}
}
