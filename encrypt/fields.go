package encrypt

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// Bounds that hold when a Config names none, and what a Config may at most name.
const (
	defaultBody  = 1 << 20
	defaultValue = 64 << 10
	defaultDepth = 64
	mostBytes    = 1 << 30
	mostDepth    = 1000
)

// Config says which fields are sealed and opened.
type Config struct {
	_ [0]func()

	// Keyring seals and opens. Required.
	Keyring *Keyring
	// Seal names the fields that are sealed in responses, and Open those that are opened in
	// requests: JSON pointers (RFC 6901 §3) in which the token * stands for any member or
	// element; "" is the whole document. At least one list is needed. Of two rules of a list
	// neither may name what the other names, nor something inside it.
	Seal, Open []string

	// Client, if given, binds every value to the client of the request: token.ClientKey is
	// one. It is asked before the handler runs; an error refuses the request as it says, and an
	// empty string as ErrBinding.
	Client func(*http.Request) (string, error)
	// Record, if given, binds every value to what the request is about, for example the id of
	// an account. It is asked like Client.
	Record func(*http.Request) (string, error)

	// MaxBody is the largest request body in bytes that is read; 0 is 1 MiB.
	MaxBody int64
	// MaxValue is the largest value in bytes that is sealed or opened; 0 is 64 KiB.
	MaxValue int
	// MaxDepth is how many arrays and objects may be inside each other; 0 is 64.
	MaxDepth int

	// DangerouslyOpenUnbound opens values without "tgt" too, as a plain JOSE library makes them
	// from {"alg":"dir","enc":"A256GCM","kid":...}. Such a value can be moved to any field that
	// is opened, by anybody who sees it.
	DangerouslyOpenUnbound bool
}

// Fields seals and opens the fields of messages. It is safe for concurrent use.
type Fields struct {
	config     Config
	seal, open direction
}

// New makes a Fields, or reports everything that is wrong with the Config.
func New(c Config) (*Fields, error) {
	var errs []error
	if c.Keyring == nil || len(c.Keyring.keys) == 0 {
		errs = append(errs, errors.New("encrypt: no Keyring"))
	}
	if len(c.Seal)+len(c.Open) == 0 {
		errs = append(errs, errors.New("encrypt: no rule in Seal or Open"))
	}
	if c.MaxBody < 0 || c.MaxBody > mostBytes || c.MaxValue < 0 || c.MaxValue > mostBytes {
		errs = append(errs, errors.New("encrypt: MaxBody or MaxValue is not between 1 byte and 1 GiB"))
	}
	if c.MaxDepth < 0 || c.MaxDepth > mostDepth {
		errs = append(errs, fmt.Errorf("encrypt: MaxDepth is not between 1 and %d", mostDepth))
		c.MaxDepth = mostDepth // so that what is wrong with the rules is said, too
	}
	f := &Fields{config: c}
	f.config.MaxBody = or(c.MaxBody, defaultBody)
	f.config.MaxValue = or(c.MaxValue, defaultValue)
	f.config.MaxDepth = or(c.MaxDepth, defaultDepth)
	for _, list := range []struct {
		name  string
		rules []string
		d     *direction
	}{{"Seal", c.Seal, &f.seal}, {"Open", c.Open, &f.open}} {
		var err error
		if list.d.rules, err = scan.Compile(list.rules, f.config.MaxDepth); err != nil {
			errs = append(errs, fmt.Errorf("encrypt: %s: %w", list.name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f.config.Seal, f.config.Open = nil, nil // the caller's slices are not kept
	for _, d := range []*direction{&f.seal, &f.open} {
		for i := range d.rules.Len() {
			d.plain = append(d.plain, c.Keyring.keys[0].header(nil, d.rules.Text(i), Binding{MediaType: jsonType}))
		}
	}
	return f, nil
}

// or gives v, or the default if v is 0.
func or[T int | int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// SealJSON appends src, one JSON text, to dst with the fields of Config.Seal sealed. On an error,
// an *audit.Refusal, it returns dst as it was.
func (f *Fields) SealJSON(dst, src []byte, b Binding) ([]byte, error) {
	return f.transform(&f.seal, dst, src, b, ofResponse)
}

// OpenJSON appends src, one JSON text, to dst with the fields of Config.Open opened. On an error,
// an *audit.Refusal, it returns dst as it was.
func (f *Fields) OpenJSON(dst, src []byte, b Binding) ([]byte, error) {
	return f.transform(&f.open, dst, src, b, ofRequest)
}

func (f *Fields) transform(d *direction, dst, src []byte, b Binding, refuse func(error) error) ([]byte, error) {
	b, err := f.complete(b)
	if err != nil {
		return dst, err
	}
	p := f.pass(d, b)
	defer p.release()
	before := len(dst)
	out, err := p.whole(dst, src)
	if err != nil {
		clear(out[before:])
		return dst, refuse(err)
	}
	return out, nil
}
