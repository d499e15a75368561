package tour

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

// bank is one running service.
type bank struct {
	world *world
	addr  string
	stop  context.CancelFunc
}

// call is one request to a bank. Its zero value is GET /accounts with nothing to show.
type call struct {
	method, path string
	token        string
	dpop         bool             // send the token by the scheme DPoP
	proof        string           // DPoP proof; empty: none
	cert         *tls.Certificate // client certificate; nil: none
	json         string           // body
	again        string           // a second Authorization field
	handed       string           // Client-Cert, as a proxy in front hands on a certificate
}

// answer is what came back.
type answer struct {
	status int
	code   string // error of the challenge
	header http.Header
	body   string
	record record // empty when there is none
	err    error
}

// do sends the call over a connection of its own.
func (b *bank) do(c call) (a answer) {
	r, err := c.request(b.world.ctx)
	if err != nil {
		return answer{err: err}
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: b.world.authority.Pool()}
	if c.cert != nil {
		settings.Certificates = []tls.Certificate{*c.cert}
	}
	transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, b.addr)
		}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(response.Body)
	a = answer{status: response.StatusCode, header: response.Header, body: string(body), err: err}
	_, rest, _ := strings.Cut(strings.Join(response.Header.Values("WWW-Authenticate"), " "), `error="`)
	a.code, _, _ = strings.Cut(rest, `"`)
	for _, book := range []*book{b.world.book, b.world.torn} {
		if found, ok := book.find(r.Header.Get("X-Fapi-Interaction-Id")); ok {
			a.record = found
		}
	}
	return a
}

func (c call) request(ctx context.Context) (*http.Request, error) {
	if c.method == "" {
		c.method = http.MethodGet
	}
	if c.path == "" {
		c.path = "/accounts"
	}
	r, err := http.NewRequestWithContext(ctx, c.method, origin+c.path, strings.NewReader(c.json))
	if err != nil {
		return nil, err
	}
	if c.json != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	scheme := "Bearer "
	if c.dpop {
		scheme = "DPoP "
	}
	if c.token != "" {
		r.Header.Set("Authorization", scheme+c.token)
	}
	if c.again != "" {
		r.Header.Add("Authorization", scheme+c.again)
	}
	if c.proof != "" {
		r.Header.Set("DPoP", c.proof)
	}
	if c.handed != "" {
		r.Header.Set("Client-Cert", c.handed)
	}
	r.Header.Set("X-Fapi-Interaction-Id", interaction())
	return r, nil
}

// interaction makes a random UUID, by which the record of a request is found again.
func interaction() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// byCertificate is a token of the app's that names the app's certificate.
func (w *world) byCertificate(changes actors.Claims) string {
	return w.issuer.Token(merged(actors.BoundTo(actors.CertificateThumbprint(w.app.cert), ""), changes))
}

// byKey is a token of the app's that names the app's DPoP key.
func (w *world) byKey() string {
	return w.issuer.Token(merged(actors.BoundTo("", w.app.key.Thumbprint()), nil))
}

// merged puts changes over claims of the app's.
func merged(claims, changes actors.Claims) actors.Claims {
	claims["client_id"] = "app"
	for name, value := range changes {
		claims[name] = value
	}
	return claims
}

// want is what should come back.
type want struct {
	status int
	code   string
	reason audit.Reason // of the record
	waived bool         // recorded only
	lost   bool         // without a record
}

// step is one call of a scene, told.
type step struct {
	tried, came string
	wrong       string // what should have come; empty when it did
}

// told compares an answer with what should come back.
func told(tried string, a answer, w want) step {
	s := step{tried: tried, came: a.String()}
	decision := "allow"
	switch {
	case w.lost:
		decision = ""
	case w.waived:
		decision = "would_deny"
	case w.status >= 400:
		decision = "deny"
	}
	right := a.err == nil && a.status == w.status && a.code == w.code && a.record.Decision == decision && a.record.Reason == string(w.reason)
	if !right {
		s.wrong = answer{status: w.status, code: w.code, record: record{Decision: decision, Reason: string(w.reason)}}.String()
	}
	return s
}

// also adds a demand to a step that is right so far.
func (s step) also(right bool, should string) step {
	if !right && s.wrong == "" {
		s.wrong = should
	}
	return s
}

// String tells an answer in a few words.
func (a answer) String() string {
	if a.err != nil {
		return "no answer: " + a.err.Error()
	}
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if a.code != "" {
		text += ", " + a.code
	}
	switch {
	case a.record.Decision == "":
		text += "; no record"
	case a.record.Reason != "":
		text += "; recorded as " + a.record.Decision + " for \"" + a.record.Reason + "\""
	default:
		text += "; recorded as " + a.record.Decision
	}
	return text
}
