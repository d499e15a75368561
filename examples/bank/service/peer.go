package service

import (
	"net/http"

	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/mtls/hygiene"
)

// atTheDoor finds out who is at the other end where proxies stand between, and refuses who comes without TLS and is
// none of them. Every answer, refusals too, gets the headers of an API.
func atTheDoor(proxies *mtls.Proxies) (func(http.Handler) http.Handler, error) {
	if proxies == nil {
		return hygiene.Headers, nil
	}
	door, err := hygiene.New(hygiene.Config{
		AnyHost: true, // no answer of the bank depends on Host
		Encrypted: func(r *http.Request) bool {
			c := mtls.FromContext(r.Context())
			return c != nil && c.Proxied() && c.Encrypted()
		},
	})
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler { return hygiene.Headers(proxies.Wrap(door.Wrap(next))) }, nil
}
