package encrypt

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
)

// Sizes of a compact JWE with dir and A256GCM (RFC 7518 §5.3).
const (
	ivSize, tagSize     = 12, 16
	ivText, tagText     = 16, 22 // in base64url
	maxHeaderText       = 1024
	causeParts      why = "not a compact JWE"
	causeHeader     why = "header not acceptable"
	causeKey        why = "unknown key"
	causeTarget     why = "sealed for another target"
	causeTag        why = "not authentic"
	causePlain      why = "not one JSON value inside"
)

// compact is a compact JWE in its five parts (RFC 7516 §7.1), of which the second, the encrypted
// key, is empty (RFC 7518 §4.5). All parts are still in base64url.
type compact struct{ header, iv, sealed, tag []byte }

// split takes a compact JWE apart.
func split(text []byte) (c compact, ok bool) {
	// Decoders in Go skip line ends; of what else is not base64url they tell.
	if bytes.Count(text, []byte{'.'}) != 4 || bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return c, false
	}
	var encryptedKey []byte
	c.header, text, _ = bytes.Cut(text, []byte{'.'})
	encryptedKey, text, _ = bytes.Cut(text, []byte{'.'})
	c.iv, text, _ = bytes.Cut(text, []byte{'.'})
	c.sealed, c.tag, _ = bytes.Cut(text, []byte{'.'})
	ok = len(c.header) > 0 && len(c.header) <= maxHeaderText && len(encryptedKey) == 0 &&
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

// header makes the first part of values that rule names, sealed under the key.
func (k *key) header(dst []byte, rule string, b Binding) []byte {
	raw := make([]byte, 0, 128+maxKeyID)
	raw = append(raw, `{"alg":"dir","enc":"A256GCM","kid":"`...)
	raw = append(raw, k.id...) // needs no escapes: NewKeyring saw to it
	raw = append(raw, `","tgt":"`...)
	raw = k.target(raw, rule, b)
	raw = append(raw, `"}`...)
	return base64.RawURLEncoding.AppendEncode(dst, raw)
}

// readHeader reads the header of a value that some JOSE library may have made. It must have the
// members that ours have and no others: what is not understood is not opened, and so "zip",
// "crit" and every other algorithm end here, before any work is spent. A target of "" is none.
func readHeader(encoded []byte) (kid, target string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().AppendDecode(nil, encoded)
	if err != nil {
		return "", "", false
	}
	h, ok := members(string(raw))
	if !ok || h.text("alg") != "dir" || h.text("enc") != "A256GCM" || h.text("kid") == "" {
		return "", "", false
	}
	known := 3
	if h.has("tgt") {
		if target = h.text("tgt"); target == "" {
			return "", "", false
		}
		known++
	}
	return h.text("kid"), target, len(h) == known
}

// appendSealed appends the JSON string that stands in the place of text.
func (k *key) appendSealed(dst, work, header, text []byte) (out, used []byte) {
	work = k.aead.Seal(work[:0], nil, text, header)
	iv, sealed, tag := work[:ivSize], work[ivSize:len(work)-tagSize], work[len(work)-tagSize:]
	dst = append(dst, '"')
	dst = append(dst, header...)
	dst = append(dst, '.', '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, iv)
	dst = append(dst, '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, sealed)
	dst = append(dst, '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, tag)
	return append(dst, '"'), work
}

// opened finds the value inside the JSON string text, which the rule names. work is the buffer
// in which the value is then.
func (p *pass) opened(rule int, text []byte, acceptUnbound bool) ([]byte, error) {
	// A string with escapes is none: base64url and dots need none.
	if len(text) < 2 || text[0] != '"' {
		return nil, causeParts
	}
	c, ok := split(text[1 : len(text)-1])
	if !ok {
		return nil, causeParts
	}
	ring := p.fields.config.Keyring
	k, target := ring.keys[0], true
	if subtle.ConstantTimeCompare(c.header, p.header(rule)) == 0 {
		kid, tgt, ok := readHeader(c.header)
		if !ok {
			return nil, causeHeader
		}
		if k = ring.find(kid); k == nil {
			return nil, causeKey
		}
		var want [64]byte
		expected := k.target(want[:0], p.direction.rules.Text(rule), p.binding)
		target = subtle.ConstantTimeCompare([]byte(tgt), expected) == 1 || tgt == "" && acceptUnbound
	}
	if p.work, ok = c.decode(p.work[:0]); !ok {
		return nil, causeParts
	}
	// Authenticity is judged also when the target is wrong, so that the time taken does not say which it was.
	plain, err := k.aead.Open(p.work[:0], nil, p.work, c.header)
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
