package main_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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
	for !strings.Contains(b.stdout.String(), "no space left") { // whoever is called at night should read why
		time.Sleep(5 * time.Millisecond)
	}
}

// The audit log is moved away while requests go on, as log rotation does it.
func TestAuditIsRotated(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	file := filepath.Join(s.dir, "audit.log")
	b := s.start("-audit", file)
	first := b.do(call{}).Header.Get("X-Fapi-Interaction-Id")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	in := func(file, id string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), id)
	}
	for {
		id := b.do(call{}).Header.Get("X-Fapi-Interaction-Id")
		if in(file, id) {
			break
		}
		if !in(file+".1", id) {
			t.Fatal("a record is in neither file")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !in(file+".1", first) || in(file, first) {
		t.Error("the record from before is not where it was")
	}
}

// OPTIONS * is a request like others: net/http would answer it on its own.
func TestOptionsOfTheServerAreRecorded(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	conn, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: b.authority.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	id := uuid()
	if _, err := io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: bank\r\nX-Fapi-Interaction-Id: "+id+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode < 400 || res.Header.Get("X-Fapi-Interaction-Id") != id || b.recordOf(id).Decision != "deny" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}
