package encrypt

import (
	"bytes"
	"context"
	"crypto/subtle"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jwe"
)

// bodyName is the name of a whole body in its target; rules begin with a slash or are empty.
const bodyName = "body"

const maxContentType = 256 // bytes

// OpenBody reads the body of r, which must be a compact JWE of at most MaxBody bytes, and returns a copy of the
// request with what is inside, or r itself if it has no body. Errors are those of Fields.OpenBody.
func (b *Bodies) OpenBody(r *http.Request) (*http.Request, error) {
	if b.asks == nil {
		return r, unsealed(why("made without New"))
	}
	bound, err := b.asks.binding(r)
	if err != nil {
		return r, err
	}
	return b.openBody(r, bound)
}

func (b *Bodies) openBody(r *http.Request, bound Binding) (*http.Request, error) {
	if !b.config.Open || r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	began := time.Now()
	out, err := b.opened(r, bound)
	audit.Step(r.Context(), "encrypt.open", began, reasonOf(err))
	return out, err
}

func (b *Bodies) opened(r *http.Request, bound Binding) (*http.Request, error) {
	if len(r.Header["Content-Encoding"]) > 0 {
		return r, coded()
	}
	known := isJOSE(r.Header["Content-Type"])
	if !known && r.ContentLength > 0 {
		return r, notJOSE(b.config.MediaType)
	}
	sent, err := b.asks.read(r)
	switch {
	case err != nil:
		return withBody(r, io.MultiReader(bytes.NewReader(sent), r.Body), r.ContentLength), err
	case len(sent) == 0:
		return withBody(r, http.NoBody, 0), nil
	case !known:
		return withBody(r, bytes.NewReader(sent), r.ContentLength), notJOSE(b.config.MediaType)
	}
	plain, contentType, err := b.open(r.Context(), sent, bound)
	if err != nil {
		return withBody(r, bytes.NewReader(sent), r.ContentLength), uniform(notOpened(err))
	}
	out := withBody(r, bytes.NewReader(plain), int64(len(plain)))
	describe(out, r, len(plain))
	out.Header["Content-Type"] = []string{contentType}
	return out, nil
}

// open opens a whole message.
func (b *Bodies) open(ctx context.Context, message []byte, bound Binding) (plain []byte, contentType string, err error) {
	c, ok := split(message, maxKeyOf(b.config.Keys))
	if !ok {
		return nil, "", causeParts
	}
	h, ok := readHeader(c.header)
	if !ok || h.field != "" {
		return nil, "", causeHeader
	}
	contentType, mediaType, ok := inner(h.kind)
	if !ok {
		return nil, "", causeHeader
	}
	from, err := b.contentOf(ctx, h, c, message, bound)
	if err != nil {
		return nil, "", err
	}
	work, ok := c.decode(nil)
	if !ok {
		return nil, "", causeParts
	}
	placed := b.config.DangerouslyOpenUnbound
	if h.target != "" {
		expected := from.targets.appendTarget(nil, bodyName, mediaType, bound.Client, bound.Record)
		placed = subtle.ConstantTimeCompare([]byte(h.target), expected) == 1
	}
	plain, err = decryptGCM(from.aead, work, c.header)
	switch {
	case err != nil:
		return nil, "", causeTag
	case !placed:
		return nil, "", causeTarget
	}
	return plain, contentType, nil
}

func (b *Bodies) contentOf(ctx context.Context, h header, c compact, message []byte, bound Binding) (*content, error) {
	if !h.public() {
		if b.config.Keys == nil {
			return nil, causeKey
		}
		from, _, err := b.config.Keys.opens(ctx, h, c.encryptedKey, Place{Client: bound.Client, Record: bound.Record})
		return from, err
	}
	k, ok := b.config.Private.find(h.kid, h.alg)
	if !ok {
		return nil, causeKey
	}
	m, err := jwe.Split(string(message))
	if err != nil {
		return nil, causeParts
	}
	cek := m.ContentKey(k)
	defer clear(cek)
	return newContent(cek, "", nil)
}

// seal makes one message of a body.
func (b *Bodies) seal(ctx context.Context, plain []byte, contentType, mediaType string, bound Binding) ([]byte, error) {
	var c *content
	var err error
	if bound.Recipient != nil {
		if c, err = bound.Recipient.sealing(); err != nil {
			err = unsealed(err)
		}
	} else {
		c, err = b.config.Keys.seals(ctx, Place{Client: bound.Client, Record: bound.Record})
	}
	if err != nil {
		return nil, err
	}
	own := *c
	own.members += `,"cty":` + string(jwe.AppendString(nil, contentType))
	own.names = false
	bound.MediaType = mediaType
	out, work := own.seal(nil, nil, nil, own.header(nil, bodyName, bound), plain)
	clear(work)
	return out, nil
}

// inner reads the cty of a message (RFC 7516 §4.1.12): a media type, of which "application/" may be left out.
func inner(kind string) (contentType, mediaType string, ok bool) {
	if kind == "" {
		return jsonType, jsonType, true
	}
	if !strings.Contains(kind, "/") {
		kind = "application/" + kind
	}
	return contentTypeOf([]string{kind})
}

// contentTypeOf reads a Content-Type and writes it again; one that is absent is bytes.
func contentTypeOf(field []string) (contentType, mediaType string, ok bool) {
	if len(field) == 0 {
		return storedType, storedType, true
	}
	if len(field) > 1 || len(field[0]) > maxContentType {
		return "", "", false
	}
	mediaType, parameters, err := mime.ParseMediaType(field[0])
	if err != nil {
		return "", "", false
	}
	contentType = mime.FormatMediaType(mediaType, parameters)
	return contentType, mediaType, contentType != ""
}

func isJOSE(field []string) bool {
	if len(field) != 1 {
		return false
	}
	name, _, err := mime.ParseMediaType(field[0])
	return err == nil && (name == JOSE || name == JOSEJWE)
}

// accepts says whether Accept (RFC 9110 §12.5.1) names a compact JWE. Wildcards do not.
func accepts(fields []string) bool {
	for _, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			name, parameters, err := mime.ParseMediaType(item)
			weight, given := parameters["q"]
			refused := given && strings.Trim(weight, "0.") == ""
			if err == nil && (name == JOSE || name == JOSEJWE) && !refused {
				return true
			}
		}
	}
	return false
}
