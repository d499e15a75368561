package encrypt

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/tegata-go/tegata/internal/jwe"
	"github.com/tegata-go/tegata/internal/strictjson"
)

// Sizes of a compact JWE with A256GCM (RFC 7518 §5.3), and causes for the record.
const (
	ivSize, tagSize     = 12, 16
	ivText, tagText     = 16, 22 // in base64url
	maxHeaderText       = 2048
	maxKeyText          = 1024 // RSA of 4096 bits needs 683
	causeParts      why = "not a compact JWE"
	causeHeader     why = "header not acceptable"
	causeKey        why = "unknown key"
	causeErased     why = "key erased"
	causeUnwraps    why = "too many content keys"
	causeTarget     why = "sealed for another target"
	causeTag        why = "not authentic"
	causePlain      why = "not one JSON value inside"
)

// compact is a compact JWE in its five parts (RFC 7516 §7.1), which are still in base64url.
type compact struct{ header, encryptedKey, iv, sealed, tag []byte }

// split takes a compact JWE apart, whose encrypted key has a bound.
func split(text []byte, maxKey int) (c compact, ok bool) {
	// Decoders in Go skip line ends; of what else is not base64url they tell.
	if bytes.Count(text, []byte{'.'}) != 4 || bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return c, false
	}
	c.header, text, _ = bytes.Cut(text, []byte{'.'})
	c.encryptedKey, text, _ = bytes.Cut(text, []byte{'.'})
	c.iv, text, _ = bytes.Cut(text, []byte{'.'})
	c.sealed, c.tag, _ = bytes.Cut(text, []byte{'.'})
	ok = len(c.header) > 0 && len(c.header) <= maxHeaderText && len(c.encryptedKey) <= maxKey &&
		len(c.iv) == ivText && len(c.tag) == tagText
	return c, ok
}

// decode appends IV, ciphertext and tag. Only the canonical form of each is accepted.
func (c compact) decode(dst []byte) (out []byte, ok bool) {
	for _, part := range [...][]byte{c.iv, c.sealed, c.tag} {
		var err error
		if dst, err = base64.RawURLEncoding.Strict().AppendDecode(dst, part); err != nil {
			return dst, false
		}
	}
	return dst, true
}

// header is what a protected header says besides how the content key is agreed on.
type header struct {
	alg, kid      string
	target, field string // "": none
	kind          string // cty
}

// public says whether the content key was wrapped to a public key.
func (h header) public() bool {
	return h.alg == jwe.RSAOAEP256 || h.alg == jwe.ECDHES || h.alg == jwe.ECDHESA256KW
}

// readHeader reads the header of a value that some JOSE library may have made. What is not understood is
// not opened, and so "zip", "crit" and every other algorithm end here, before any work is spent.
func readHeader(encoded []byte) (h header, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().AppendDecode(nil, encoded)
	if err != nil {
		return h, false
	}
	enc := ""
	known := map[string]*string{"alg": &h.alg, "enc": &enc, "kid": &h.kid, "tgt": &h.target, "field": &h.field, "cty": &h.kind}
	err = strictjson.Members(string(raw), func(name, value string) error {
		if name == "epk" || name == "apu" || name == "apv" {
			return nil // read by package jwe
		}
		into := known[name]
		if into == nil {
			return causeHeader
		}
		s, err := strictjson.String(value)
		if *into = s; err == nil && s == "" && name != "field" { // "" is the rule for the whole document
			return causeHeader
		}
		return err
	})
	if err != nil || enc != A256GCM {
		return h, false
	}
	return h, h.public() || (h.alg == "dir" || h.alg == A256KW || h.alg == algorithmKMS) && h.kid != "" && h.field == ""
}

// isJSON says whether the header lets the content be JSON (RFC 7516 §4.1.12).
func (h header) isJSON() bool {
	return h.kind == "" || strings.EqualFold(strings.TrimPrefix(strings.ToLower(h.kind), "application/"), "json")
}

// symmetric is what a key of a Keyring is called when its values say alg.
func symmetric(alg string) string {
	if alg == "dir" {
		return A256GCM
	}
	return alg
}

// opened finds the value inside text, which the rule names. The pass's buffer holds it until the next.
func (p *pass) opened(rule int, text []byte, acceptUnbound bool) ([]byte, error) {
	text, ok := p.fields.unwrapMember(text)
	// A string with escapes is none: base64url and dots need none.
	if !ok || len(text) < 2 || text[0] != '"' {
		return nil, causeParts
	}
	c, ok := split(text[1:len(text)-1], maxKeyOf(p.fields.config.Keys))
	if !ok {
		return nil, causeParts
	}
	from, target, err := p.contentOf(rule, c, text[1:len(text)-1], acceptUnbound)
	if err != nil {
		return nil, err
	}
	if p.work, ok = c.decode(p.work[:0]); !ok {
		return nil, causeParts
	}
	// Authenticity is judged also when the target is wrong, so that the time taken does not say which it was.
	plain, err := decryptGCM(from.aead, p.work, c.header)
	switch {
	case err != nil:
		return nil, causeTag
	case !target:
		return nil, causeTarget
	case len(plain) > p.fields.config.MaxValue:
		return nil, causePlain
	}
	return plain, nil
}

// contentOf finds the key that a value was sealed with, and whether it is where it belongs.
func (p *pass) contentOf(rule int, c compact, text []byte, acceptUnbound bool) (from *content, target bool, err error) {
	if ring := p.fields.ring; ring != nil && subtle.ConstantTimeCompare(c.header, p.header(rule)) == 1 { // nearly always
		from, err = p.unwrap(header{alg: ring.keys[0].algorithm, kid: ring.keys[0].id}, c.encryptedKey)
		return from, true, err
	}
	h, ok := readHeader(c.header)
	if !ok || !h.isJSON() {
		return nil, false, causeHeader
	}
	if h.public() {
		from, err = p.unwrapPrivate(h, text)
	} else {
		from, err = p.unwrap(h, c.encryptedKey)
	}
	if err != nil {
		return nil, false, err
	}
	name := p.direction.rules.Text(rule)
	if h.target == "" {
		p.last.current = false
		return from, acceptUnbound, nil
	}
	var room [64]byte
	expected := from.targets.appendTarget(room[:0], name, p.binding.MediaType, p.binding.Client, p.binding.Record)
	return from, subtle.ConstantTimeCompare([]byte(h.target), expected) == 1 && (h.field == "" || h.field == name), nil
}

// unwrap gives the content of a value of the Keys. One message mostly has one content key.
func (p *pass) unwrap(h header, encryptedKey []byte) (*content, error) {
	if p.fields.config.Keys == nil {
		return nil, causeKey
	}
	last := &p.last
	if last.content != nil && last.alg == h.alg && last.kid == h.kid && bytes.Equal(last.encryptedKey, encryptedKey) {
		last.current = last.today
		return last.content, nil
	}
	c, today, err := p.fields.config.Keys.opens(p.ctx, h, encryptedKey, Place{Client: p.binding.Client, Record: p.binding.Record})
	if err != nil {
		return nil, err
	}
	last.alg, last.kid, last.content, last.today, last.current = h.alg, h.kid, c, today, today
	last.encryptedKey = append(last.encryptedKey[:0], encryptedKey...)
	return c, nil
}

// unwrapPrivate gives the content of a value that was sealed to a public key of ours.
func (p *pass) unwrapPrivate(h header, text []byte) (*content, error) {
	p.last.current = false
	k, ok := p.fields.config.Private.find(h.kid, h.alg)
	if !ok {
		return nil, causeKey
	}
	m, err := jwe.Split(string(text))
	if err != nil {
		return nil, causeParts
	}
	envelope := m.Envelope()
	if c := p.unwrapped[envelope]; c != nil {
		return c, nil
	}
	if len(p.unwrapped) == maxUnwraps {
		return nil, causeUnwraps
	}
	cek := m.ContentKey(k)
	defer clear(cek)
	c, err := newContent(cek, "", nil)
	if err != nil {
		return nil, causeKey
	}
	if p.unwrapped == nil {
		p.unwrapped = make(map[string]*content)
	}
	p.unwrapped[envelope] = c
	return c, nil
}
