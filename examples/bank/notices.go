package main

import (
	"context"
	"io"
	"strings"
)

// notices takes what the operator should read, line by line, and never holds up whoever has something to say:
// what nobody reads is thrown away.
type notices struct {
	lines chan string
}

// newNotices writes to w until ctx ends.
func newNotices(ctx context.Context, w io.Writer) *notices {
	n := &notices{lines: make(chan string, 64)}
	go func() {
		for {
			select {
			case line := <-n.lines:
				_, _ = io.WriteString(w, line)
			case <-ctx.Done():
				return
			}
		}
	}()
	return n
}

// Write takes one line, for package log.
func (n *notices) Write(line []byte) (int, error) {
	n.say(string(line))
	return len(line), nil
}

func (n *notices) say(line string) {
	select {
	case n.lines <- strings.TrimRight(line, "\n") + "\n":
	default:
	}
}
