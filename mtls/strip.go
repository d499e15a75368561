package mtls

import (
	"maps"
	"net/http"
)

// certificateFields begin the names of fields by which proxies in use hand client certificates, or what
// stands in them, to a back end. None reaches a handler: what is behind this door asks Peer.
var certificateFields = [...]string{
	"client-cert", "x-client-cert", "x-forwarded-client-cert", "x-forwarded-tls-client-cert", "x-tls-client",
	"ssl-client", "x-ssl-client", "ssl-cert", "x-ssl-cert", "x-amzn-mtls-", "x-arr-clientcert", "cf-client-cert",
}

// addressFields begin the names of fields that tell what came before the nearest proxy.
var addressFields = [...]string{
	"forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
	"true-client-ip", "cf-connecting-ip", "x-envoy-external-address",
}

// isForeign reports whether the caller may not send the field: certificates only by way of a listed
// proxy, whose fields have been read.
func (p *Proxies) isForeign(name string, proxied bool) bool {
	if p.field != "" && len(name) == len(p.field) && beginsWith(name, p.field) {
		return true
	}
	for _, prefix := range certificateFields {
		if beginsWith(name, prefix) {
			return true
		}
	}
	if proxied {
		return false
	}
	for _, prefix := range addressFields {
		if beginsWith(name, prefix) {
			return true
		}
	}
	return false
}

// beginsWith compares as those do who take - and _ for one: CGI and its heirs (RFC 3875 section 4.1.18).
func beginsWith(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if fold(name[i]) != fold(prefix[i]) {
			return false
		}
	}
	return true
}

func fold(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	case c == '_':
		return '-'
	}
	return c
}

// foreign counts the field lines that go.
func (p *Proxies) foreign(h http.Header, proxied bool) (n int) {
	for name, values := range h {
		if p.isForeign(name, proxied) {
			n += max(1, len(values))
		}
	}
	return n
}

// without gives h without them: h itself where there are none, since a request is not to be changed.
func (p *Proxies) without(h http.Header, proxied bool) http.Header {
	if p.foreign(h, proxied) == 0 {
		return h
	}
	kept := maps.Clone(h)
	maps.DeleteFunc(kept, func(name string, _ []string) bool { return p.isForeign(name, proxied) })
	return kept
}
