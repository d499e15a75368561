package encrypt

import "context"

// SealJSON appends src, one JSON text, to dst with the fields of Config.Seal sealed. On an error,
// an *audit.Refusal, it returns dst as it was. ctx is for the Keys.
func (f *Fields) SealJSON(ctx context.Context, dst, src []byte, b Binding) ([]byte, error) {
	b, err := f.complete(b)
	if err == nil && f.config.Recipient != nil && b.Recipient == nil {
		err = unbound()
	}
	if err == nil && f.config.Keys == nil && b.Recipient == nil && f.seal.rules.Len() > 0 {
		err = unbound()
	}
	if err != nil {
		return dst, err
	}
	return f.transform(ctx, &f.seal, sealing, dst, src, b, ofResponse)
}

// OpenJSON appends src, one JSON text, to dst with the fields of Config.Open opened. On an error,
// an *audit.Refusal, it returns dst as it was; ErrErased says that the customer's key is gone.
func (f *Fields) OpenJSON(ctx context.Context, dst, src []byte, b Binding) ([]byte, error) {
	b, err := f.complete(b)
	if err != nil {
		return dst, err
	}
	b.Recipient = nil
	return f.transform(ctx, &f.open, opening, dst, src, b, ofRequest)
}

// ResealJSON appends src, one stored JSON text, to dst with the fields of Config.Seal sealed as
// they would be sealed today. Every field must be sealed; one that already is under the key that seals passes
// byte for byte. On an error, an *audit.Refusal, it returns dst as it was.
func (f *Fields) ResealJSON(ctx context.Context, dst, src []byte, b Binding) ([]byte, error) {
	b, err := f.complete(b)
	if err == nil && f.config.Keys == nil {
		err = unsealed(why("no Keys"))
	}
	if err != nil {
		return dst, err
	}
	b.Recipient = nil
	return f.transform(ctx, &f.seal, resealing, dst, src, b, ofStored)
}

func (f *Fields) transform(ctx context.Context, d *direction, m mode, dst, src []byte, b Binding, refuse func(error) error) ([]byte, error) {
	p := f.pass(ctx, d, m, b)
	defer p.release()
	before := len(dst)
	out, err := p.whole(dst, src)
	if err != nil {
		clear(out[before:])
		return dst, refuse(err)
	}
	return out, nil
}
