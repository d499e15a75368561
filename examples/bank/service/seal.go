package service

import (
	"net/http"

	"github.com/tegata-go/tegata/encrypt"
	"github.com/tegata-go/tegata/token"
)

// sealed gives the layer that seals and opens the fields in e, or one that does nothing where there are no keys
// for it: answers are sealed by the Keyring or to the caller, orders are opened with the Keyring.
func (c Config) sealed(e encrypt.Config) (func(http.Handler) http.Handler, error) {
	if c.Keyring == nil && (c.Recipients == nil || len(e.Seal) == 0) {
		return func(next http.Handler) http.Handler { return next }, nil
	}
	e.DangerouslyOpenUnbound = c.OpenUnbound
	if c.Keyring != nil {
		e.Keys = c.Keyring
	}
	if c.Recipients != nil && len(e.Seal) > 0 {
		e.Recipient = c.recipient
	}
	if len(e.Seal) > 0 {
		e.Guard = []string{"iban", "owner"} // should a route name one that its rules forgot
	}
	fields, err := encrypt.New(e)
	if err != nil {
		return nil, err
	}
	return fields.Wrap, nil
}

// recipient is whom the answer is for; a client without a key gets none.
func (c Config) recipient(r *http.Request) (*encrypt.Recipient, error) {
	g, err := token.FromContext(r.Context())
	if err != nil {
		return nil, err
	}
	return c.Recipients[g.Client()], nil
}
