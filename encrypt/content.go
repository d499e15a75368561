package encrypt

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"sync"

	"github.com/tegata-go/tegata/internal/jwe"
)

// targetInfo names what the key of targets is for (RFC 5869 §3.2).
const targetInfo = "tegata/encrypt tgt"

// content is one content encryption key, and how it travels with what it seals.
type content struct {
	aead         cipher.AEAD // draws a fresh IV for every Seal and puts it first
	targets      *targets
	members      []byte // of the protected header, before those of the value
	encryptedKey []byte // in base64url; empty where the reader has the key
	names        bool   // the header names the rule in clear
}

// newContent makes the content of a key, whose targets are made from it.
func newContent(cek []byte, members string, encryptedKey []byte) (*content, error) {
	aead, err := jwe.NewGCM(cek)
	if err != nil {
		return nil, err
	}
	from, err := newTargets(cek)
	if err != nil {
		return nil, err
	}
	return &content{aead: aead, targets: from, members: []byte(members), encryptedKey: encryptedKey}, nil
}

// header makes the first part of values that rule names.
func (c *content) header(dst []byte, rule string, b Binding) []byte {
	raw := make([]byte, 0, 256+maxKeyID)
	raw = append(raw, '{')
	raw = append(raw, c.members...)
	if c.names {
		text, _ := json.Marshal(rule) // a string is always written
		raw = append(append(raw, `,"field":`...), text...)
	}
	raw = append(raw, `,"tgt":"`...)
	raw = c.targets.appendTarget(raw, rule, b.MediaType, b.Client, b.Record)
	raw = append(raw, `"}`...)
	return base64.RawURLEncoding.AppendEncode(dst, raw)
}

// seal appends the compact JWE of text. work is the buffer of the cipher.
func (c *content) seal(dst, work, header, text []byte) (out, used []byte) {
	work = c.aead.Seal(work[:0], nil, text, header)
	iv, sealed, tag := work[:ivSize], work[ivSize:len(work)-tagSize], work[len(work)-tagSize:]
	dst = slices.Grow(dst, len(header)+len(c.encryptedKey)+len(work)*4/3+16)
	dst = append(dst, header...)
	dst = append(dst, '.')
	dst = append(dst, c.encryptedKey...)
	dst = append(dst, '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, iv)
	dst = append(dst, '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, sealed)
	dst = append(dst, '.')
	dst = base64.RawURLEncoding.AppendEncode(dst, tag)
	return dst, work
}

// targets computes targets under one key.
type targets struct{ pool sync.Pool } // of *tagger

// tagger is used by one goroutine at a time.
type tagger struct {
	mac interface {
		Write([]byte) (int, error)
		Sum([]byte) []byte
		Reset()
	}
	parts, sum []byte
}

func newTargets(secret []byte) (*targets, error) {
	k, err := hkdf.Key(sha256.New, secret, nil, targetInfo, sha256.Size)
	if err != nil {
		return nil, err
	}
	t := &targets{}
	t.pool.New = func() any { return &tagger{mac: hmac.New(sha256.New, k)} }
	return t, nil
}

// appendTarget appends the tgt of a value: see the package documentation.
func (t *targets) appendTarget(dst []byte, name, mediaType, client, record string) []byte {
	m := t.pool.Get().(*tagger)
	m.parts = appendParts(m.parts[:0], "1", name, mediaType, client, record)
	m.mac.Reset()
	_, _ = m.mac.Write(m.parts) // a hash never fails
	m.sum = m.mac.Sum(m.sum[:0])
	dst = base64.RawURLEncoding.AppendEncode(dst, m.sum)
	t.pool.Put(m)
	return dst
}

// appendParts appends texts so that no two lists of texts become the same bytes.
func appendParts(dst []byte, parts ...string) []byte {
	for _, part := range parts {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(part)))
		dst = append(dst, part...)
	}
	return dst
}
