package encrypt

import (
	"net/http"

	"github.com/tegata-go/tegata/audit"
)

// Binding is what sealed values are bound to besides their rule.
type Binding struct {
	// MediaType is that of the message, application/json if empty. Parameters do not count.
	MediaType string
	// Client is whom the message is for or from, as Config.Client gives it; empty: not bound.
	Client string
	// Record is what the message is about, as Config.Record gives it; empty: not bound.
	Record string
	// Recipient is to whom values are sealed, as Config.Recipient gives it; nil: by the Keys.
	// It does not count when values are opened.
	Recipient *Recipient
}

// binding asks Config.Client and Config.Record. What they return with an error is not used: if
// report-only waives the error, the exchange goes on unbound.
func (f *Fields) binding(r *http.Request) (b Binding, err error) {
	ask := func(source func(*http.Request) (string, error)) string {
		if source == nil || err != nil {
			return ""
		}
		var s string
		if s, err = source(r); err != nil {
			return ""
		}
		if s == "" {
			err = unbound()
		}
		return s
	}
	if !f.made {
		return b, unsealed(why("made without New"))
	}
	b.MediaType = jsonType
	b.Client, b.Record = ask(f.config.Client), ask(f.config.Record)
	if err == nil && f.customers && b.Client == "" {
		err = unbound()
	}
	return b, err
}

// recipient asks Config.Recipient for whom the answer is sealed.
func (f *Fields) recipient(r *http.Request) (*Recipient, error) {
	if f.config.Recipient == nil || f.seal.rules.Len() == 0 {
		return nil, nil
	}
	to, err := f.config.Recipient(r)
	if err == nil && to == nil {
		err = noRecipient()
	}
	return to, err
}

// complete checks a Binding that a caller filled.
func (f *Fields) complete(b Binding) (Binding, error) {
	if !f.made {
		return b, unsealed(why("made without New"))
	}
	if b.MediaType == "" {
		b.MediaType = jsonType
	}
	var ok bool
	if b.MediaType, ok = media([]string{b.MediaType}); !ok {
		return b, unbound()
	}
	if (f.config.Client != nil || f.customers) && b.Client == "" || f.config.Record != nil && b.Record == "" {
		return b, unbound()
	}
	return b, nil
}

// unbound refuses to seal or open without what the configuration binds values to.
func unbound() error {
	return &audit.Refusal{Reason: ErrBinding, Status: http.StatusInternalServerError, Detail: "internal error", Final: true}
}
