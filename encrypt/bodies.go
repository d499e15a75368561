package encrypt

import (
	"errors"
	"net/http"

	"github.com/tegata-go/tegata/audit"
)

// Media types of whole messages that are one compact JWE.
const (
	JOSE    = "application/jose"     // RFC 7515 §9.2.1
	JOSEJWE = "application/jose+jwe" // as UK Open Banking writes it
)

// BodiesConfig says in which directions whole bodies are encrypted, and with what.
type BodiesConfig struct {
	_ [0]func()

	// Seal makes one compact JWE of the body of every answer that has one, errors of inner layers too;
	// Open demands one as the body of every request that has one. At least one is needed.
	Seal, Open bool
	// MediaType is that of sealed answers: JOSE, also if it is empty, or JOSEJWE. Both are opened.
	MediaType string

	// Keyring, Recipient, Private, Client and Record are as in Config.
	Keyring        *Keyring
	Recipient      func(*http.Request) (*Recipient, error)
	Private        *PrivateKeys
	Client, Record func(*http.Request) (string, error)

	// MaxBody is the largest body in bytes, sealed or not: it is in memory whole. 0 is 1 MiB.
	MaxBody int64

	// DangerouslyOpenUnbound is as in Config.
	DangerouslyOpenUnbound bool
	// DangerouslyWhenAccepted seals an answer only if the request's Accept names JOSE or JOSEJWE, and
	// lets all others leave in clear.
	DangerouslyWhenAccepted bool
}

// Bodies seals and opens whole bodies. It is safe for concurrent use.
type Bodies struct {
	config BodiesConfig
	asks   *Fields // for client, record and recipient
}

// NewBodies makes a Bodies, or reports everything that is wrong with c.
func NewBodies(c BodiesConfig) (*Bodies, error) {
	var errs []error
	wrong := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("encrypt: "+text))
		}
	}
	wrong(!c.Seal && !c.Open, "neither Seal nor Open")
	wrong(c.MediaType != "" && c.MediaType != JOSE && c.MediaType != JOSEJWE, "MediaType is neither JOSE nor JOSEJWE")
	wrong(c.DangerouslyWhenAccepted && !c.Seal, "DangerouslyWhenAccepted without Seal")
	if c.MediaType == "" {
		c.MediaType = JOSE
	}
	asked := Config{Keyring: c.Keyring, Recipient: c.Recipient, Private: c.Private, Client: c.Client, Record: c.Record, MaxBody: c.MaxBody}
	if c.Seal {
		asked.Seal = []string{""}
	}
	if c.Open {
		asked.Open = []string{""}
	}
	if len(errs) > 0 && !c.Seal && !c.Open {
		return nil, errors.Join(errs...)
	}
	asks, err := New(asked)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	c.MaxBody = asks.config.MaxBody
	return &Bodies{config: c, asks: asks}, nil
}

// Wrap opens the body of the request before next runs, and seals that of its answer. next sees the body and
// the Content-Type that were inside ("cty", application/json if there is none), and no Range, If-Range and
// Accept-Encoding; what it answers is held back until it returns, and can be neither flushed nor hijacked.
func (b *Bodies) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seals := b.config.Seal && (!b.config.DangerouslyWhenAccepted || accepts(r.Header["Accept"]))
		bound, err := b.binding(r, seals)
		if audit.Refused(w, r, err) {
			return
		}
		in, err := b.openBody(r, bound)
		if audit.Refused(w, r, err) {
			return
		}
		if b.config.DangerouslyWhenAccepted {
			w.Header().Add("Vary", "Accept")
		}
		if !seals {
			follow(r, in)
			next.ServeHTTP(w, in)
			return
		}
		in = whole(in)
		follow(r, in)
		res := &bodyResponse{under: w, request: in, bodies: b, binding: bound}
		next.ServeHTTP(res, in)
		res.finish()
	})
}

// binding asks everything that the configuration names.
func (b *Bodies) binding(r *http.Request, seals bool) (bound Binding, err error) {
	if b.asks == nil {
		return bound, unsealed(why("made without New"))
	}
	if bound, err = b.asks.binding(r); err == nil && seals {
		bound.Recipient, err = b.asks.recipient(r)
	}
	return bound, err
}
