package main

import (
	"errors"
	"io"
	"os"
	"time"
)

// patience is how long one record may take to be written.
const patience = 2 * time.Second

// openAudit gives what audit records are written to: file, or standard error when it is empty.
func openAudit(file string, stderr io.Writer) (io.Writer, func() error, error) {
	if file == "" {
		return bounded(stderr), func() error { return nil }, nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return bounded(f), f.Close, nil
}

// bounded gives w itself when it is a regular file, and else a writer that does not wait for a reader that has
// stopped reading: the audit log answers 503 then, where all requests would hang.
func bounded(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return w
		}
	}
	p := &patient{lines: make(chan []byte), results: make(chan result, 1)}
	go func() {
		for line := range p.lines {
			n, err := w.Write(line)
			p.results <- result{n, err}
		}
	}()
	return p
}

// patient writes beside its caller, who calls it one at a time, and gives up waiting after a while.
type patient struct {
	lines   chan []byte
	results chan result
	buffer  []byte
	stuck   bool // a write was given up and has not ended yet
}

type result struct {
	n   int
	err error
}

var errStuck = errors.New("bank: the audit log is not being read")

// Write fails at once while an earlier line is stuck. That line is written whole, or fails, before any other.
func (p *patient) Write(line []byte) (int, error) {
	if p.stuck {
		select {
		case <-p.results:
			p.stuck = false
		default:
			return 0, errStuck
		}
	}
	p.buffer = append(p.buffer[:0], line...)
	p.lines <- p.buffer
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-p.results:
		return r.n, r.err
	case <-timer.C:
		p.stuck = true
		return 0, errStuck
	}
}
