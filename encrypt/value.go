package encrypt

import (
	"bytes"

	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// Value seals or opens one value: it makes a pass a scan.Taker.
func (p *pass) Value(dst []byte, rule, depth int, text []byte) ([]byte, error) {
	switch p.mode {
	case sealing:
		return p.seal(dst, rule, depth, text)
	case resealing:
		return p.reseal(dst, rule, depth, text)
	}
	plain, err := p.opened(rule, text, p.fields.config.DangerouslyOpenUnbound)
	if err == nil {
		dst, err = p.value(dst, depth, plain)
	}
	if err != nil {
		return dst, notOpened(err)
	}
	return dst, nil
}

// seal appends the sealed form of text, which is text itself if that is what it already is.
func (p *pass) seal(dst []byte, rule, depth int, text []byte) ([]byte, error) {
	if p.binding.Recipient == nil && p.sealedAlready(text) {
		plain, err := p.opened(rule, text, false)
		if err == nil {
			before := len(dst)
			dst, err = p.value(dst, depth, plain)
			clear(dst[before:])
			if dst = dst[:before]; err == nil {
				return append(dst, text...), nil
			}
		}
		if reasonOf(err) == ErrKeys { // nobody can say what it is
			return dst, err
		}
	}
	if len(text) > p.fields.config.MaxValue {
		return dst, scan.ErrValue
	}
	return p.sealText(dst, rule, text)
}

// sealedAlready says whether it is worth trying to open text.
func (p *pass) sealedAlready(text []byte) bool {
	if len(p.fields.before) > 0 {
		return bytes.HasPrefix(text, []byte{'{'})
	}
	return bytes.HasPrefix(text, []byte(`"ey`)) // the first bytes of {" in base64url
}

func (p *pass) sealText(dst []byte, rule int, text []byte) ([]byte, error) {
	c, err := p.seals()
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, p.fields.before...), '"')
	dst, p.work = c.seal(dst, p.work, &p.ivs, p.header(rule), text)
	dst = append(dst, '"')
	if len(p.fields.before) > 0 {
		dst = append(dst, '}')
	}
	return dst, nil
}

// reseal appends the value in text as it would be sealed today, which is text itself if it already is.
func (p *pass) reseal(dst []byte, rule, depth int, text []byte) ([]byte, error) {
	plain, err := p.opened(rule, text, p.fields.config.DangerouslyOpenUnbound)
	before := len(dst)
	if err == nil {
		dst, err = p.value(dst, depth, plain)
	}
	if err != nil {
		return dst, notOpened(err)
	}
	inside := bytes.Clone(dst[before:])
	defer clear(inside)
	clear(dst[before:])
	if dst = dst[:before]; p.last.current {
		return append(dst, text...), nil
	}
	return p.sealText(dst, rule, inside)
}
