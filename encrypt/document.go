package encrypt

// SealJSON appends src, one JSON text, to dst with the fields of Config.Seal sealed. On an error,
// an *audit.Refusal, it returns dst as it was.
func (f *Fields) SealJSON(dst, src []byte, b Binding) ([]byte, error) {
	b, err := f.complete(b)
	if err == nil && f.config.Recipient != nil && b.Recipient == nil {
		err = unbound()
	}
	if err == nil && f.config.Keyring == nil && b.Recipient == nil && f.seal.rules.Len() > 0 {
		err = unbound()
	}
	if err != nil {
		return dst, err
	}
	return f.transform(&f.seal, sealing, dst, src, b, ofResponse)
}

// OpenJSON appends src, one JSON text, to dst with the fields of Config.Open opened. On an error,
// an *audit.Refusal, it returns dst as it was.
func (f *Fields) OpenJSON(dst, src []byte, b Binding) ([]byte, error) {
	b, err := f.complete(b)
	if err != nil {
		return dst, err
	}
	b.Recipient = nil
	return f.transform(&f.open, opening, dst, src, b, ofRequest)
}

// ResealJSON appends src, one stored JSON text, to dst with the fields of Config.Seal sealed under the
// first key of the Keyring. Every field must be sealed; one that already is under that key passes byte
// for byte. On an error, an *audit.Refusal, it returns dst as it was.
func (f *Fields) ResealJSON(dst, src []byte, b Binding) ([]byte, error) {
	b, err := f.complete(b)
	if err == nil && f.config.Keyring == nil {
		err = unsealed(why("no Keyring"))
	}
	if err != nil {
		return dst, err
	}
	b.Recipient = nil
	return f.transform(&f.seal, resealing, dst, src, b, ofStored)
}

func (f *Fields) transform(d *direction, m mode, dst, src []byte, b Binding, refuse func(error) error) ([]byte, error) {
	p := f.pass(d, m, b)
	defer p.release()
	before := len(dst)
	out, err := p.whole(dst, src)
	if err != nil {
		clear(out[before:])
		return dst, refuse(err)
	}
	return out, nil
}
