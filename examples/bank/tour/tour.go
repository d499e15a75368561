// Package tour shows the bank to a person who has never heard of DPoP: a client and an attacker call it, and for
// every call it is said what was tried, what came back, and whether that is what should happen.
//
// It needs nothing: authority, authorization server, bank and clients are made here and talk over loopback, with
// the same service code that anybody runs.
package tour

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Config says how long the measurement at the end takes.
type Config struct {
	_ [0]func()

	// Round is the length of one of the rounds in which requests are counted; 0 is 100 ms.
	Round time.Duration
}

const intro = `
TEGATA: THE TOUR

A bank keeps accounts. An app wants to read them for a customer. The customer
has agreed, so an authorization server has given the app an access token: a
signed slip that says who may do what, for a few minutes. Whoever finds such a
slip could use it. So this bank wants a proof with it, of one of two kinds:

  certificate   the token names the client certificate of the app, and the TLS
                connection shows that the app has its key
  DPoP          the token names a key of the app, and the app signs a small
                proof for each request: this method, this URL, now, once

Now the app calls the bank, and a thief tries what thieves try.
`

// Run plays the tour and writes it to out. It gives the exit code: 0 when every scene went as it should.
func Run(ctx context.Context, out io.Writer, c Config) int {
	return play(ctx, out, c, scenes())
}

func play(ctx context.Context, out io.Writer, c Config, all []scene) int {
	if c.Round == 0 {
		c.Round = 100 * time.Millisecond
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p := &printer{out: out}
	w, err := newWorld(ctx)
	if err != nil {
		p.line("The tour cannot begin: " + err.Error())
		return 1
	}
	p.text(intro)
	wrong := 0
	for i, s := range all {
		if !p.scene(i+1, s, s.play(w)) {
			wrong++
		}
		if ctx.Err() != nil {
			p.line("\nThe tour was ended early.")
			return 1
		}
	}
	p.records(w.book.all())
	measured := measure(ctx, w, p, c.Round)
	if measured != nil {
		p.labelled("", "The measurement failed: "+measured.Error())
	}
	if wrong > 0 {
		p.line(fmt.Sprintf("\n%d of %d scenes did NOT go as they should.", wrong, len(all)))
		return 1
	}
	p.line(fmt.Sprintf("\nAll %d scenes went as they should.", len(all)))
	if measured != nil {
		return 1
	}
	return 0
}
