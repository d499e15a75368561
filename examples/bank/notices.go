package main

import (
	"context"
	"io"
	"strings"
	"sync/atomic"

	"github.com/tegata-go/tegata/audit"
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

// recorded says when audit records begin to be lost, and why, and when they are taken again.
func (n *notices) recorded() func(context.Context, audit.Done) {
	lost := new(atomic.Bool)
	return func(_ context.Context, d audit.Done) {
		switch {
		case d.Failure != nil && !lost.Swap(true):
			n.say("audit records are not taken, requests are refused: " + d.Failure.Error())
		case d.Recorded && lost.Load() && lost.Swap(false):
			n.say("audit records are taken again")
		}
	}
}
