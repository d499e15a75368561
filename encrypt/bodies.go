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

	// Keys, Recipient, Private, Client and Record are as in Config.
	Keys           Keys
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
	// Guard and Found are as in Config, for the answers that DangerouslyWhenAccepted lets leave in clear,
	// which must then be JSON. In what is sealed whole there is nothing to guard.
	Guard []string
	Found func(Finding) error
}

// Bodies seals and opens whole bodies. It is safe for concurrent use.
type Bodies struct {
	config BodiesConfig
	asks   *Fields // for client, record and recipient
	clear  *Fields // through which goes what is not sealed; nil: it is not watched
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
	watched := len(c.Guard) > 0 || c.Found != nil
	wrong(watched && !c.DangerouslyWhenAccepted, "Guard or Found where nothing leaves in clear")
	if c.MediaType == "" {
		c.MediaType = JOSE
	}
	asked := Config{Keys: c.Keys, Recipient: c.Recipient, Private: c.Private, Client: c.Client, Record: c.Record, MaxBody: c.MaxBody}
	if c.Seal {
		asked.Seal = []string{""}
	}
	if c.Open {
		asked.Open = []string{""}
	}
	if len(errs) > 0 && !c.Seal && !c.Open {
		return nil, errors.Join(errs...)
	}
	b := &Bodies{}
	var err error
	b.asks, err = New(asked)
	errs = append(errs, err)
	if watched {
		b.clear, err = New(Config{Guard: c.Guard, Found: c.Found})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.MaxBody, c.Guard = b.asks.config.MaxBody, nil
	b.config = c
	return b, nil
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
			if b.clear != nil {
				b.clear.Wrap(next).ServeHTTP(w, in)
				return
			}
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
