package mtls_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/tegata-go/tegata/mtls"
)

// TestOCSPAnswers: what is not exactly the issuer's word about this certificate now is no word.
func TestOCSPAnswers(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	id, other := issue(t, ca, at("http://ocsp.example")), issue(t, ca, nil)
	shift := func(made, next time.Duration) func(*ocsp.Response) {
		return func(r *ocsp.Response) {
			r.ThisUpdate, r.NextUpdate = time.Now().Add(made), time.Now().Add(next)
			if next == 0 {
				r.NextUpdate = time.Time{}
			}
		}
	}
	by := func(parent *identity, changes ...func(*x509.Certificate)) *identity {
		return issue(t, parent, both(append([]func(*x509.Certificate){forAnswers}, changes...)...))
	}
	stranger := issue(t, nil, asLister("stranger"))
	namesake := issue(t, nil, asLister("ca"))
	rsaSigner := issueFor(t, rsaKey(t, 2048), ca, forAnswers)
	type c struct {
		by     *identity
		change func(*ocsp.Response)
		raw    func([]byte) []byte
		want   string
	}
	for name, c := range map[string]c{
		"good":                         {want: "good"},
		"revoked":                      {change: revoked, want: "revoked"},
		"delegated":                    {by: by(ca), want: "good"},
		"delegated, RSA":               {by: rsaSigner, want: "good"},
		"delegated, revoked":           {by: by(ca), change: revoked, want: "revoked"},
		"delegated, without purpose":   {by: by(ca, usage(x509.ExtKeyUsageClientAuth)), want: "unknown"},
		"delegated, any purpose":       {by: by(ca, usage(x509.ExtKeyUsageAny)), want: "unknown"},
		"delegated, may not sign":      {by: by(ca, signing(x509.KeyUsageKeyEncipherment)), want: "unknown"},
		"delegated, to be asked about": {by: by(ca, func(c *x509.Certificate) { c.ExtraExtensions = nil }), want: "unknown"},
		"delegated, expired":           {by: by(ca, expired), want: "unknown"},
		"delegated, not valid yet":     {by: by(ca, early), want: "unknown"},
		"delegated, weak key":          {by: issueFor(t, rsaKey(t, 1024), ca, forAnswers), want: "unknown"},
		"delegated with SHA-1":         {by: by(ca, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }), want: "unknown"},
		"delegated by a stranger":      {by: by(stranger), want: "unknown"},
		"delegated by a namesake":      {by: by(namesake), want: "unknown"},
		"delegated by itself":          {by: by(nil), want: "unknown"},
		"delegated by a delegate":      {by: by(by(ca)), want: "unknown"},
		"another client":               {by: other, want: "unknown"},
		"unknown":                      {change: func(r *ocsp.Response) { r.Status = ocsp.Unknown }, want: "unknown"},
		"serial of another":            {change: func(r *ocsp.Response) { r.SerialNumber = other.cert.SerialNumber }, want: "unknown"},
		"issuer named by SHA-256":      {change: func(r *ocsp.Response) { r.IssuerHash = crypto.SHA256 }, want: "good"},
		"issuer named by SHA-512":      {change: func(r *ocsp.Response) { r.IssuerHash = crypto.SHA512 }, want: "unknown"},
		"over":                         {change: shift(-2*time.Hour, -time.Second), want: "unknown"},
		"from the future":              {change: shift(6*time.Minute, time.Hour), want: "unknown"},
		"a little from the future":     {change: shift(4*time.Minute, time.Hour), want: "good"},
		"too old":                      {change: shift(-8*24*time.Hour, time.Hour), want: "unknown"},
		"without an end":               {change: shift(-time.Minute, 0), want: "good"},
		"without an end, old":          {change: shift(-7*time.Minute, 0), want: "unknown"},
		"signed with SHA-384":          {change: func(r *ocsp.Response) { r.SignatureAlgorithm = x509.ECDSAWithSHA384 }, want: "good"},
		"signed with SHA-1":            {change: func(r *ocsp.Response) { r.SignatureAlgorithm = x509.ECDSAWithSHA1 }, want: "unknown"},
		"delegated, signed with SHA-1": {by: rsaSigner, change: func(r *ocsp.Response) { r.SignatureAlgorithm = x509.SHA1WithRSA }, want: "unknown"},
		"critical extension": {change: func(r *ocsp.Response) {
			r.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, want: "unknown"},
		"extension": {change: func(r *ocsp.Response) {
			r.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Value: []byte{5, 0}}}
		}, want: "good"},
		"signature changed":             {raw: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, want: "unknown"},
		"cut short":                     {raw: func(b []byte) []byte { return b[:len(b)-1] }, want: "unknown"},
		"with more":                     {raw: func(b []byte) []byte { return append(b, 0) }, want: "unknown"},
		"empty":                         {raw: func([]byte) []byte { return nil }, want: "unknown"},
		"longer than is read":           {raw: func([]byte) []byte { return make([]byte, 1<<20) }, want: "unknown"},
		"unauthorized":                  {raw: func([]byte) []byte { return ocsp.UnauthorizedErrorResponse }, want: "unknown"},
		"try later":                     {raw: func([]byte) []byte { return ocsp.TryLaterErrorResponse }, want: "unknown"},
		"internal error":                {raw: func([]byte) []byte { return ocsp.InternalErrorErrorResponse }, want: "unknown"},
		"status 0 without an answer":    {raw: func([]byte) []byte { return []byte{0x30, 3, 0x0a, 1, 0} }, want: "unknown"},
		"status good made revoked":      {raw: func(b []byte) []byte { return bytes.Replace(b, []byte{0x80, 0}, []byte{0x82, 0}, 1) }, want: "unknown"},
		"pretends to be from elsewhere": {raw: func(b []byte) []byte { return bytes.Replace(b, ca.cert.RawSubject, stranger.cert.RawSubject, 1) }, want: "unknown"},
	} {
		t.Run("M9/"+name, func(t *testing.T) {
			s := &responder{ca: ca, by: c.by, change: c.change}
			if c.raw != nil {
				s.raw = func(b []byte) ([]byte, error) { return c.raw(b), nil }
			}
			o := asking(t, s, mtls.OCSPConfig{})
			for range 2 { // the second time from memory
				if got := judged(o, id.cert, ca.cert); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
			if s.times() != 1 {
				t.Errorf("asked %d times", s.times())
			}
		})
	}
}

// TestOCSPOfAnotherIssuer: one responder key that two authorities trust. Who can put answers on the wire exchanges
// the certificate beside the answer, which no signature covers.
func TestOCSPOfAnotherIssuer(t *testing.T) {
	ours, theirs := issue(t, nil, asLister("ours")), issue(t, nil, asLister("their"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	same := func(c *x509.Certificate) { forAnswers(c); c.Subject = pkix.Name{CommonName: "responder"} }
	forUs, forThem := issueFor(t, key, ours, same), issueFor(t, key, theirs, same)
	id := issue(t, ours, at("http://ocsp.example"))
	t.Run("M9/the same serial number at another issuer", func(t *testing.T) {
		now := time.Now()
		raw, err := ocsp.CreateResponse(theirs.cert, forThem.cert, ocsp.Response{
			Status: ocsp.Good, SerialNumber: id.cert.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Certificate: forUs.cert,
		}, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ocsp.ParseResponseForCert(raw, id.cert, ours.cert); err != nil {
			t.Errorf("the answer is not what this test is about: %v", err)
		}
		if _, err := mtls.ReadOCSP(raw, id.cert, ours.cert, now); err == nil {
			t.Error("taken for a word about ours")
		}
	})
	t.Run("M9/by our issuer's own delegate", func(t *testing.T) {
		o := asking(t, &responder{ca: ours, by: forUs}, mtls.OCSPConfig{SHA256: true})
		if got := judged(o, id.cert, ours.cert); got != "good" {
			t.Error(got)
		}
	})
}

func TestOCSPChains(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	between := issue(t, ca, both(asLister("between"), at("http://root.example")))
	id, self := issue(t, between, at("http://leaf.example")), issue(t, nil, nil)
	silent := issue(t, ca, nil)
	rogue := issue(t, ca, func(c *x509.Certificate) {
		c.OCSPServer = []string{"", "ftp://a.example", "http://", "https://u:p@a.example", "file:///etc/passwd", "http://" + strings.Repeat("a", 2000)}
	})
	fifth := issue(t, ca, func(c *x509.Certificate) {
		c.OCSPServer = []string{"ftp://a.example", "ftp://b.example", "ftp://c.example", "ftp://d.example", "http://leaf.example"}
	})
	leaf, root := &responder{ca: between}, &responder{ca: ca}
	var mu sync.Mutex
	var urls []string
	o := newOCSP(t, mtls.OCSPConfig{})
	o.Answered(func(_ context.Context, url string, question []byte) ([]byte, error) {
		mu.Lock()
		urls = append(urls, url)
		mu.Unlock()
		if url == "http://root.example" {
			return root.answer(t, question)
		}
		return leaf.answer(t, question)
	})
	t.Run("M9/each by its issuer", func(t *testing.T) {
		if got := judged(o, id.cert, between.cert, ca.cert); got != "good" || len(urls) != 2 {
			t.Errorf("%s, asked %v", got, urls)
		}
	})
	t.Run("M9/intermediate revoked", func(t *testing.T) {
		root.says(revoked)
		o := newOCSP(t, mtls.OCSPConfig{Responder: "http://root.example"})
		o.Answered(func(_ context.Context, _ string, question []byte) ([]byte, error) {
			if asked, err := ocsp.ParseRequest(question); err == nil && asked.SerialNumber.Cmp(id.cert.SerialNumber) == 0 {
				return nil, errors.New("gone")
			}
			return root.answer(t, question)
		})
		if got := judged(o, id.cert, between.cert, ca.cert); got != "revoked" {
			t.Error(got)
		}
	})
	t.Run("M9/an anchor itself", func(t *testing.T) {
		if got := judged(o, self.cert); got != "good" {
			t.Error(got)
		}
	})
	before := len(urls)
	for name, chain := range map[string][]*x509.Certificate{
		"no responder": {silent.cert, ca.cert}, "no usable responder": {rogue.cert, ca.cert}, "too many responders": {fifth.cert, ca.cert},
		"long chain": {id.cert, between.cert, between.cert, between.cert, between.cert, between.cert, between.cert, between.cert, between.cert, between.cert, ca.cert},
	} {
		t.Run("M9/"+name, func(t *testing.T) {
			if got := judged(o, chain...); got != "unknown" || len(urls) != before {
				t.Errorf("%s, asked %v", got, urls)
			}
		})
	}
}

// TestOCSPPanic: what goes wrong in a question's own goroutine does not end the process.
func TestOCSPPanic(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	o := newOCSP(t, mtls.OCSPConfig{})
	o.Answered(func(context.Context, string, []byte) ([]byte, error) { panic("a fault in a reader") })
	if got := judged(o, issue(t, ca, at("http://ocsp.example")).cert, ca.cert); got != "unknown" {
		t.Error(got)
	}
}

func TestOCSPMistakes(t *testing.T) {
	_, err := mtls.NewOCSP(mtls.OCSPConfig{
		Responder: "ldap://ocsp.example", PrivateHosts: []string{""}, Timeout: 2 * time.Minute, Keep: -1,
		TLS: insecureClient(),
	})
	for _, want := range []string{"Responder is not", "empty name", "does not verify", "negative", "longer than"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	ca := authority(t, "ca")
	for name, o := range map[string]*mtls.OCSP{"nil": nil, "zero": new(mtls.OCSP)} {
		_, err := mtls.NewSource(mtls.SourceConfig{ClientCAs: []*x509.Certificate{ca.cert}, Revocation: o})
		if err == nil || !strings.Contains(err.Error(), "NewOCSP") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOCSPPeerAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ca := issue(t, nil, asLister("ca"))
	source := withOCSP(t, ca, asking(t, &responder{ca: ca}, mtls.OCSPConfig{}))
	r := shown(issue(t, ca, at("http://ocsp.example")), ca)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := source.Peer(r); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzOCSP: what is taken golang.org/x/crypto takes too, for the same status; and nobody but the issuer made it.
func FuzzOCSP(f *testing.F) {
	ca := issue(f, nil, asLister("ca"))
	id := issue(f, ca, at("http://ocsp.example"))
	by := issue(f, ca, forAnswers)
	question := questionOf(f, id, ca)
	signed := map[string]bool{}
	for _, s := range []*responder{{ca: ca}, {ca: ca, by: by}, {ca: ca, change: revoked}, {ca: ca, by: by, change: revoked}} {
		raw, err := s.answer(f, question)
		if err != nil {
			f.Fatal(err)
		}
		parsed, err := ocsp.ParseResponse(raw, nil)
		if err != nil {
			f.Fatal(err)
		}
		signed[string(parsed.TBSResponseData)] = true
		f.Add(raw)
	}
	if len(signed) == 0 {
		f.Fatal("no seeds")
	}
	f.Add(ocsp.TryLaterErrorResponse)
	f.Fuzz(func(t *testing.T, raw []byte) {
		revoked, err := mtls.ReadOCSP(raw, id.cert, ca.cert, time.Now())
		if err != nil {
			return
		}
		parsed, err := ocsp.ParseResponseForCert(raw, id.cert, nil)
		if err != nil || revoked != (parsed.Status == ocsp.Revoked) || !revoked && parsed.Status != ocsp.Good {
			t.Fatalf("%x: revoked %v, %v", raw, revoked, err)
		}
		if !signed[string(parsed.TBSResponseData)] {
			t.Fatalf("%x was not signed", raw)
		}
	})
}
