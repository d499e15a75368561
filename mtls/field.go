package mtls

import (
	"crypto/x509"
	"errors"
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	fieldCert  = "Client-Cert"
	fieldChain = "Client-Cert-Chain"
	fieldXFCC  = "X-Forwarded-Client-Cert"

	maxCertificateField = 32 << 10 // bytes of the field with the certificate
	maxChainField       = 64 << 10 // bytes of all lines of Client-Cert-Chain together
	maxChain            = 8        // certificates besides the client's
)

var errField = errors.New("mtls: malformed certificate field")

// fieldText is what a proxy handed on, as it came. The zero value is nothing.
type fieldText struct{ cert, chain string }

// handed is what was read from it.
type handed struct {
	leaf  *x509.Certificate
	chain []*x509.Certificate // intermediates, where the format has them
}

// text takes the fields of the format. The certificate's stands once (RFC 9440 section 2.2); lines of the chain
// are one list (section 2.3). The error is an *audit.Refusal.
func (p *Proxies) text(h http.Header) (fieldText, error) {
	var text fieldText
	values := h[p.field]
	if p.format == RFC9440 {
		chain := h[fieldChain]
		size := 0
		for _, line := range chain {
			size += len(line)
		}
		if size > maxChainField {
			return text, longField()
		}
		text.chain = strings.Join(chain, ",") // without a certificate it cannot be read
		if len(chain) > 0 && text.chain == "" {
			return text, malformedField()
		}
	}
	switch {
	case len(values) == 0:
		return text, nil
	case len(values) > 1:
		return text, malformedField()
	case len(values[0]) > maxCertificateField:
		return text, longField()
	case values[0] == "" && p.format != HAProxy && p.format != Apache:
		return text, malformedField()
	}
	text.cert = values[0]
	return text, nil
}

// parseField reads the text of one format, and of no other. Nil, nil is a proxy's word for none.
func parseField(format Format, text fieldText) (*handed, error) {
	ders, err := fieldDER(format, text)
	if err != nil || ders == nil {
		return nil, err
	}
	h := new(handed)
	for i, der := range ders {
		cert, err := x509.ParseCertificate(der)
		switch {
		case err != nil:
			return nil, errField // err would quote the certificate
		case i == 0:
			h.leaf = cert
		case slices.Equal(cert.Raw, h.leaf.Raw): // RFC 9440 section 2.3
			return nil, errField
		default:
			h.chain = append(h.chain, cert)
		}
	}
	return h, nil
}

// fieldDER gives the encodings of the certificates in the text, the client's first.
func fieldDER(format Format, text fieldText) ([][]byte, error) {
	switch format {
	case RFC9440:
		return parseRFC9440(text.cert, text.chain)
	case Envoy:
		return parseEnvoy(text.cert)
	case Nginx:
		return parseEscaped(text.cert, 1)
	case Apache:
		if text.cert == "(null)" {
			return nil, nil
		}
		return parsePEM(text.cert, ' ', 1)
	case HAProxy:
		der, err := decodeBase64(text.cert)
		return [][]byte{der}, err
	}
	return nil, errField
}

// readCache remembers what was read and judged good, so that a client's requests are read once. Two
// texts in one place take turns.
type readCache struct {
	seed  maphash.Seed
	slots [512]atomic.Pointer[readText]
}

type readText struct {
	text fieldText
	read *handed
}

func newReadCache() *readCache { return &readCache{seed: maphash.MakeSeed()} }

func (c *readCache) slot(text fieldText) *atomic.Pointer[readText] {
	return &c.slots[maphash.String(c.seed, text.cert)%uint64(len(c.slots))]
}

func (c *readCache) find(text fieldText) *handed {
	if held := c.slot(text).Load(); held != nil && held.text == text {
		return held.read
	}
	return nil
}

func (c *readCache) keep(text fieldText, read *handed) {
	slot := c.slot(text)
	if held := slot.Load(); held == nil || held.read != read {
		slot.Store(&readText{text: text, read: read})
	}
}
