package encrypt

import (
	"encoding/base64"
	"encoding/binary"
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
	if f.config.Keyring == nil {
		return b, unsealed(why("made without New"))
	}
	b.MediaType = jsonType
	b.Client, b.Record = ask(f.config.Client), ask(f.config.Record)
	return b, err
}

// complete checks a Binding that a caller filled.
func (f *Fields) complete(b Binding) (Binding, error) {
	if f.config.Keyring == nil {
		return b, unsealed(why("made without New"))
	}
	if b.MediaType == "" {
		b.MediaType = jsonType
	}
	var ok bool
	if b.MediaType, ok = media([]string{b.MediaType}); !ok {
		return b, unbound()
	}
	if f.config.Client != nil && b.Client == "" || f.config.Record != nil && b.Record == "" {
		return b, unbound()
	}
	return b, nil
}

// unbound refuses to seal or open without what the configuration binds values to.
func unbound() error {
	return &audit.Refusal{Reason: ErrBinding, Status: http.StatusInternalServerError, Detail: "internal error", Final: true}
}

// tagger computes targets under one key. It is used by one goroutine at a time.
type tagger struct {
	mac interface {
		Write([]byte) (int, error)
		Sum([]byte) []byte
		Reset()
	}
	parts, sum []byte
}

// target appends the tgt of a value that rule names: see the package documentation.
func (k *key) target(dst []byte, rule string, b Binding) []byte {
	t := k.taggers.Get().(*tagger)
	t.parts = t.parts[:0]
	for _, part := range [...]string{"1", rule, b.MediaType, b.Client, b.Record} {
		t.parts = binary.BigEndian.AppendUint32(t.parts, uint32(len(part)))
		t.parts = append(t.parts, part...)
	}
	t.mac.Reset()
	_, _ = t.mac.Write(t.parts) // a hash never fails
	t.sum = t.mac.Sum(t.sum[:0])
	dst = base64.RawURLEncoding.AppendEncode(dst, t.sum)
	k.taggers.Put(t)
	return dst
}
