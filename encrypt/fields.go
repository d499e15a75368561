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
	maxRule      = 512 // bytes: headers name the rule
)

// Config says which fields are sealed and opened.
type Config struct {
	_ [0]func()

	// Keys seal, unless there is a Recipient, and open what they sealed. DataKeys are asked with the
	// request's context. Of CustomerKeys the one that Client names is used, the same for the whole message.
	Keys Keys
	// Recipient, if given, gives the public key of whoever asks, for example by the client in the
	// token, and what is answered is sealed to it alone. It is asked before the handler runs; an error
	// refuses the request as it says, and no Recipient as ErrRecipient.
	Recipient func(*http.Request) (*Recipient, error)
	// Private opens what others sealed to our public keys: at most 32 content keys in one message.
	Private *PrivateKeys

	// Seal names the fields that are sealed in responses, and Open those that are opened in
	// requests: JSON pointers (RFC 6901 §3) in which the token * stands for any member or
	// element; "" is the whole document. At least one list is needed. Of two rules of a list
	// neither may name what the other names, nor something inside it.
	Seal, Open []string
	// Member, if given, makes every sealed value an object of this one member, which holds the
	// compact JWE, instead of a string: "encryptedData" in the manner of Mastercard's APIs. The object
	// stands in the place of the value.
	Member string

	// Guard names members, in any case and at any depth, that must not leave in clear: an answer that
	// has one which no rule of Seal names is refused with ErrUnsealed. Guard and Found need no rule: what
	// goes through a Fields must be JSON all the same.
	Guard []string
	// Found, if given, is told of everything in the names, strings and numbers of an answer that
	// leaves in clear and looks like a card number, an IBAN or an Individual Number. An error of it
	// refuses the answer with ErrUnsealed. It is called while the answer is written, and must not
	// write to it. The record gets in_clear.pan, in_clear.iban or in_clear.my_number.
	Found func(Finding) error

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
	ring       *Keyring // Keys, if they are one
	customers  bool     // Keys are CustomerKeys: nothing goes without a client
	answers    bool     // answers go through rules, or are watched
	seal, open direction
	before     []byte // what stands before a sealed string
	guarded    [][]byte
	made       bool
}

// New makes a Fields, or reports everything that is wrong with the Config.
func New(c Config) (*Fields, error) {
	errs := c.check()
	f := &Fields{config: c, made: true, answers: len(c.Seal)+len(c.Guard) > 0 || c.Found != nil}
	f.ring, _ = c.Keys.(*Keyring)
	_, f.customers = c.Keys.(*CustomerKeys)
	f.config.MaxBody = or(c.MaxBody, defaultBody)
	f.config.MaxValue = or(c.MaxValue, defaultValue)
	f.config.MaxDepth = min(or(max(c.MaxDepth, 0), defaultDepth), mostDepth)
	for _, list := range []struct {
		name  string
		rules []string
		d     *direction
	}{{"Seal", c.Seal, &f.seal}, {"Open", c.Open, &f.open}} {
		var err error
		if list.d.rules, err = scan.Compile(list.rules, f.config.MaxDepth); err != nil {
			errs = append(errs, fmt.Errorf("encrypt: %s: %w", list.name, err))
		}
		for _, rule := range list.rules {
			if len(rule) > maxRule {
				errs = append(errs, fmt.Errorf("encrypt: %s: a rule of more than %d bytes", list.name, maxRule))
			}
		}
	}
	errs = append(errs, f.prepareGuard()...)
	errs = append(errs, f.prepareMember())
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f.config.Seal, f.config.Open, f.config.Guard = nil, nil, nil // the caller's slices are not kept
	for _, d := range []*direction{&f.seal, &f.open} {
		for i := range d.rules.Len() {
			if f.ring != nil {
				d.plain = append(d.plain, f.ring.keys[0].own.header(nil, d.rules.Text(i), Binding{MediaType: jsonType}))
			}
		}
	}
	return f, nil
}

// check reports what is wrong with everything but the rules.
func (c *Config) check() (errs []error) {
	wrong := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("encrypt: "+text))
		}
	}
	errs = append(errs, checkKeys(c.Keys))
	wrong(c.Private != nil && len(c.Private.keys) == 0, "Private was made without ParsePrivateKeys")
	wrong(len(c.Seal)+len(c.Open)+len(c.Guard) == 0 && c.Found == nil, "no rule in Seal or Open, and nothing to guard")
	wrong(len(c.Seal) > 0 && c.Keys == nil && c.Recipient == nil, "Seal has neither Keys nor Recipient")
	wrong(len(c.Open) > 0 && c.Keys == nil && c.Private == nil, "Open has neither Keys nor Private")
	wrong(len(c.Seal) == 0 && c.Recipient != nil, "Recipient without a rule in Seal")
	wrong(len(c.Open) == 0 && c.Private != nil, "Private without a rule in Open")
	wrong(c.MaxBody < 0 || c.MaxBody > mostBytes || c.MaxValue < 0 || c.MaxValue > mostBytes,
		"MaxBody or MaxValue is not between 1 byte and 1 GiB")
	wrong(c.MaxDepth < 0 || c.MaxDepth > mostDepth, fmt.Sprintf("MaxDepth is not between 1 and %d", mostDepth))
	return errs
}

// or gives v, or the default if v is 0.
func or[T int | int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}
