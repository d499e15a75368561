package encrypt

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt/internal/look"
)

// What a Finding looks like.
const (
	KindPAN      = "pan"       // a card number (ISO/IEC 7812-1) with a card scheme's prefix and a good check digit
	KindIBAN     = "iban"      // ISO 13616-1, with the length of its country and good check digits
	KindMyNumber = "my_number" // Japan's Individual Number: 12 digits with a good check digit
)

// Finding is something in a response that looks like what should be sealed, and is not. It is judged by form
// and check digits: a long number of another kind can look like it.
type Finding struct {
	Kind string
	// Pointer is the place as a JSON pointer (RFC 6901).
	//
	// WARNING: it contains the names of members. Where names are data, as in a map by account number,
	// it must not be logged.
	Pointer string
	// Request is the one that was answered; nil for SealJSON.
	Request *http.Request
}

// watch is what a pass knows of the string or number it is in.
type watch struct{ reader look.Reader }

// Piece makes a pass a scan.Watcher.
func (p *pass) Piece(piece []byte) { p.watch.reader.Write(piece) }

// End reports what was in a string, a number or a name.
func (p *pass) End() error {
	kinds := p.watch.reader.End()
	if kinds == 0 {
		return nil
	}
	pointer := p.scanner.Pointer()
	var errs []error
	for _, k := range [...]struct {
		bit  int
		name string
	}{{look.PAN, KindPAN}, {look.IBAN, KindIBAN}, {look.MyNumber, KindMyNumber}} {
		if kinds&k.bit == 0 {
			continue
		}
		if p.request != nil {
			audit.Add(p.request.Context(), slog.Bool("in_clear."+k.name, true))
		}
		errs = append(errs, p.fields.config.Found(Finding{Kind: k.name, Pointer: pointer, Request: p.request}))
	}
	if err := errors.Join(errs...); err != nil {
		return unsealed(err)
	}
	return nil
}

// prepareGuard judges Config.Guard.
func (f *Fields) prepareGuard() (errs []error) {
	for i, name := range f.config.Guard {
		switch {
		case name == "":
			errs = append(errs, errors.New("encrypt: Guard: an empty name"))
		case slices.ContainsFunc(f.config.Guard[:i], func(other string) bool { return strings.EqualFold(other, name) }):
			errs = append(errs, fmt.Errorf("encrypt: Guard: %q twice", name))
		case f.seal.rules.Leads(name):
			errs = append(errs, fmt.Errorf("encrypt: Guard: a rule of Seal leads through %q, which would refuse it", name))
		}
		f.guarded = append(f.guarded, []byte(name))
	}
	return errs
}
