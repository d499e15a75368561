package encrypt

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/encrypt/internal/base64url"
	"github.com/tegata-go/tegata/internal/jwe"
)

// targetInfo names what the key of targets is for (RFC 5869 §3.2).
const targetInfo = "tegata/encrypt tgt"

// content is one content encryption key, and how it travels with what it seals.
type content struct {
	aead         cipher.AEAD // for encryptGCM and decryptGCM
	targets      *targets
	members      string // of the protected header, before those of the value
	encryptedKey []byte // in base64url; empty where the reader has the key
	names        bool   // the header names the rule in clear
	bounds       *bounds
}

// bounds are how often and how long a key may seal; nil: it is gone after one message.
type bounds struct {
	used  atomic.Uint64
	most  uint64
	until time.Time // zero: for ever
}

// use counts one more value and says whether it may be sealed.
func (b *bounds) use() bool {
	if b == nil {
		return true
	}
	return b.used.Add(1) <= b.most && (b.until.IsZero() || time.Now().Before(b.until))
}

// newContent makes the content of a key, whose targets are made from it.
func newContent(cek []byte, members string, encryptedKey []byte) (*content, error) {
	aead, err := newGCM(cek)
	if err != nil {
		return nil, err
	}
	from, err := newTargets(cek)
	if err != nil {
		return nil, err
	}
	return &content{aead: aead, targets: from, members: members, encryptedKey: encryptedKey}, nil
}

// header makes the first part of values that rule names.
func (c *content) header(dst []byte, rule string, b Binding) []byte {
	raw := make([]byte, 0, 256+maxKeyID)
	raw = append(raw, '{')
	raw = append(raw, c.members...)
	if c.names {
		raw = jwe.AppendString(append(raw, `,"field":`...), rule)
	}
	raw = append(raw, `,"tgt":"`...)
	raw = c.targets.appendTarget(raw, rule, b.MediaType, b.Client, b.Record)
	raw = append(raw, `"}`...)
	return base64.RawURLEncoding.AppendEncode(dst, raw)
}

// seal appends the compact JWE of text. work is the buffer of the cipher; without ivs one is drawn.
func (c *content) seal(dst, work []byte, from *ivs, header, text []byte) (out, used []byte) {
	work = encryptGCM(c.aead, from, work[:0], text, header)
	iv, sealed, tag := work[:ivSize], work[ivSize:len(work)-tagSize], work[len(work)-tagSize:]
	dst = slices.Grow(dst, len(header)+len(c.encryptedKey)+len(work)*4/3+16)
	dst = append(dst, header...)
	dst = append(dst, '.')
	dst = append(dst, c.encryptedKey...)
	dst = append(dst, '.')
	dst = base64url.Append(dst, iv)
	dst = append(dst, '.')
	dst = base64url.Append(dst, sealed)
	dst = append(dst, '.')
	dst = base64url.Append(dst, tag)
	return dst, work
}

// targets computes targets under one key.
type targets struct {
	key  []byte
	pool sync.Pool // of *tagger
}

// tagger is used by one goroutine at a time.
type tagger struct {
	mac        hash.Hash
	used       bool // the mac has to forget first
	parts, sum []byte
}

func newTargets(secret []byte) (*targets, error) {
	k, err := hkdf.Key(sha256.New, secret, nil, targetInfo, sha256.Size)
	if err != nil {
		return nil, err
	}
	return &targets{key: k}, nil
}

// appendTarget appends the tgt of a value: see the package documentation.
func (t *targets) appendTarget(dst []byte, name, mediaType, client, record string) []byte {
	m, _ := t.pool.Get().(*tagger)
	if m == nil {
		m = &tagger{mac: hmac.New(sha256.New, t.key)}
	}
	m.parts = appendParts(slices.Grow(m.parts[:0], 24+len(name)+len(mediaType)+len(client)+len(record)), "1", name, mediaType, client, record)
	if m.used {
		m.mac.Reset()
	}
	m.used = true
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
