package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

const (
	benchIssuer = "https://as.bank.example"
	benchOrigin = "https://api.bank.example"
)

// bench is an issuer with two keys and a client with a certificate and a proof key.
type bench struct {
	tb     testing.TB
	es     *ecdsa.PrivateKey
	ps     *rsa.PrivateKey
	client *ecdsa.PrivateKey
	cert   *x509.Certificate
	jwt    token.Resolver
	store  replay.Store
	serial int
	laps   int // verifiers made, each a service of its own: the proofs of one are new to the next
}

func newBench(tb testing.TB, certificateSize int) *bench {
	b := &bench{tb: tb}
	var err error
	if b.es, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		tb.Fatal(err)
	}
	if b.ps, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		tb.Fatal(err)
	}
	if b.client, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: "tpp", Organization: []string{strings.Repeat("x", certificateSize)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &b.client.PublicKey, b.client)
	if err != nil {
		tb.Fatal(err)
	}
	if b.cert, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	es, ps := b.jwkOf("es"), map[string]string{"kty": "RSA", "n": b64(b.ps.N.Bytes()), "e": "AQAB"}
	ps["kid"] = "ps"
	set, err := json.Marshal(map[string]any{"keys": []any{es, ps}})
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := token.NewKeySet(set)
	if err != nil {
		tb.Fatal(err)
	}
	b.jwt, err = token.NewJWT(token.JWTConfig{Issuer: benchIssuer, Audiences: []string{benchOrigin}, Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func ecJWK(tb testing.TB, k *ecdsa.PublicKey) map[string]string {
	point, err := k.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]string{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
}

// jwkOf is the issuer's EC key.
func (b *bench) jwkOf(kid string) map[string]string {
	k := ecJWK(b.tb, &b.es.PublicKey)
	k["kid"] = kid
	return k
}

func (b *bench) jwkText(kid string) string {
	text, err := json.Marshal(b.jwkOf(kid))
	if err != nil {
		b.tb.Fatal(err)
	}
	return string(text)
}

// verifier is over a cache or over the bare resolver.
func (b *bench) verifier(cached bool) *token.Verifier {
	resolver := b.jwt
	if cached {
		var err error
		if resolver, err = token.NewCache(token.CacheConfig{Resolver: b.jwt}); err != nil {
			b.tb.Fatal(err)
		}
	}
	v, err := token.New(b.configOver(resolver))
	if err != nil {
		b.tb.Fatal(err)
	}
	return v
}

func (b *bench) configOver(r token.Resolver) token.Config {
	if b.store == nil {
		b.store = b.touchedStore()
	}
	b.laps++
	return token.Config{
		Resolver: r, Revocations: token.NoRevocation{}, Certificate: mtls.Peer, Origin: benchOrigin,
		Replay: b.store, Service: "lap " + strconv.Itoa(b.laps), Nonce: token.NonceNever, MaxAge: 5 * time.Minute,
	}
}

// touchedStore is a store of the usual size whose pages the process has been given: the first touch of memory is
// the price of starting, not of a request.
func (b *bench) touchedStore() replay.Store {
	_, test := b.tb.(*testing.T)
	config := replay.MemoryConfig{DangerouslyNoStartGuard: true}
	if test {
		config.Capacity = 1 << 14
	}
	store, err := replay.NewMemory(config)
	if err != nil {
		b.tb.Fatal(err)
	}
	if test {
		return store
	}
	now := time.Now()
	for i := range 300_000 {
		use := replay.Use{Key: replay.Digest("touch", strconv.Itoa(i)), Made: now, Until: now.Add(time.Hour)}
		if err := store.Use(context.Background(), use); err != nil {
			b.tb.Fatal(err)
		}
	}
	return store
}

func (b *bench) sign(header, claims map[string]any, key crypto.Signer) string {
	h, err := json.Marshal(header)
	if err != nil {
		b.tb.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		b.tb.Fatal(err)
	}
	return b.signedBy(string(h), string(c), key)
}

func (b *bench) signedBy(header, claims string, key crypto.Signer) string {
	signed := b64([]byte(header)) + "." + b64([]byte(claims))
	digest := sha256.Sum256([]byte(signed))
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			b.tb.Fatal(err)
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signed + "." + b64(signature)
	case *rsa.PrivateKey:
		signature, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil {
			b.tb.Fatal(err)
		}
		return signed + "." + b64(signature)
	}
	return ""
}

func unb64(tb testing.TB, s string) string {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func (b *bench) token(alg string, dpop bool) string { return b.tokenFor(alg, dpop, 50*time.Minute) }

func (b *bench) tokenFor(alg string, dpop bool, life time.Duration) string {
	b.serial++
	kid, key := "es", crypto.Signer(b.es)
	if alg == "PS256" {
		kid, key = "ps", b.ps
	}
	sum := sha256.Sum256(b.cert.Raw)
	confirmation := map[string]string{"x5t#S256": b64(sum[:])}
	if dpop {
		confirmation = map[string]string{"jkt": b.jkt()}
	}
	now := time.Now().Unix()
	return b.sign(map[string]any{"alg": alg, "kid": kid, "typ": "at+jwt"}, map[string]any{
		"iss": benchIssuer, "sub": "user-1", "aud": []string{benchOrigin}, "client_id": "client-1", "jti": "token-" + strconv.Itoa(b.serial),
		"iat": now, "exp": now + int64(life/time.Second), "scope": "accounts payments", "acr": "urn:bank:acr:sca", "auth_time": now, "cnf": confirmation,
	}, key)
}

func (b *bench) jkt() string {
	k := ecJWK(b.tb, &b.client.PublicKey)
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + k["x"] + `","y":"` + k["y"] + `"}`))
	return b64(sum[:])
}

func (b *bench) proof(raw string) string {
	b.serial++
	ath := sha256.Sum256([]byte(raw))
	return b.sign(map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": ecJWK(b.tb, &b.client.PublicKey)}, map[string]any{
		"jti": "550e8400-e29b-41d4-a716-" + strconv.Itoa(100000000000+b.serial), "htm": "GET", "htu": benchOrigin + "/accounts/7/transactions",
		"iat": time.Now().Unix(), "ath": b64(ath[:]),
	}, b.client)
}

func (b *bench) request(raw, proof string) *http.Request {
	r := httptest.NewRequest("GET", benchOrigin+"/accounts/7/transactions?from=2026-01-01", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{b.cert}}
	if proof == "" {
		r.Header.Set("Authorization", "Bearer "+raw)
		return r
	}
	r.Header.Set("Authorization", "DPoP "+raw)
	r.Header.Set("DPoP", proof)
	return r
}

// floors of this machine: one raw verification each, of many different signatures.
func (b *bench) rawES256() func() {
	var signed [256]signature
	for i := range signed {
		s := &signed[i]
		s.digest = sha256.Sum256([]byte{byte(i)})
		var err error
		if s.bytes, err = ecdsa.SignASN1(rand.Reader, b.es, s.digest[:]); err != nil {
			b.tb.Fatal(err)
		}
	}
	next := 0
	return func() {
		s := &signed[next%len(signed)]
		next++
		if !ecdsa.VerifyASN1(&b.es.PublicKey, s.digest[:], s.bytes) {
			b.tb.Fatal("floor")
		}
	}
}

func (b *bench) rawPS256() func() {
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	var signed [256]signature
	for i := range signed {
		s := &signed[i]
		s.digest = sha256.Sum256([]byte{byte(i)})
		var err error
		if s.bytes, err = rsa.SignPSS(rand.Reader, b.ps, crypto.SHA256, s.digest[:], options); err != nil {
			b.tb.Fatal(err)
		}
	}
	next := 0
	return func() {
		s := &signed[next%len(signed)]
		next++
		if rsa.VerifyPSS(&b.ps.PublicKey, crypto.SHA256, s.digest[:], s.bytes, options) != nil {
			b.tb.Fatal("floor")
		}
	}
}

type signature struct {
	digest [sha256.Size]byte
	bytes  []byte
}

// ratio times path and floor in turns of 16, so that both meet the same machine, and reports path over floor: of the
// means, garbage collection included, and the median of the turns, which a busy neighbour does not move. The timer is
// not stopped in between, as that would stop the world and empty the caches; what is reported per operation is the
// path's alone.
func ratio(b *testing.B, unit string, floor, path func(i int)) {
	const turn = 16
	b.ReportAllocs()
	var before, between, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for j := range turn {
		floor(j)
	}
	runtime.ReadMemStats(&between)
	mallocs, bytes := between.Mallocs-before.Mallocs, between.TotalAlloc-before.TotalAlloc
	var paths, floors time.Duration
	var turns []float64
	i, began := 0, time.Now()
	for b.Loop() {
		path(i)
		if i++; i%turn == 0 {
			middle := time.Now()
			for j := range turn {
				floor(j)
			}
			ours, theirs := middle.Sub(began), time.Since(middle)
			turns = append(turns, float64(ours)/float64(theirs))
			paths, floors = paths+ours, floors+theirs
			began = time.Now()
		}
	}
	runtime.ReadMemStats(&after)
	if len(turns) == 0 {
		return
	}
	slices.Sort(turns)
	all := uint64(len(turns))
	b.ReportMetric(float64(paths)/float64(floors), unit)
	b.ReportMetric(turns[len(turns)/2], unit+"-median")
	b.ReportMetric(float64(paths)/float64(all*turn), "ns/op")
	b.ReportMetric(float64((after.Mallocs-between.Mallocs-all*mallocs)/uint64(i)), "allocs/op")
	b.ReportMetric(float64((after.TotalAlloc-between.TotalAlloc-all*bytes)/uint64(i)), "B/op")
}

// BenchmarkAuthenticate measures budgets 1, 2, 3, 5, 6 and 7: R is one ecdsa.VerifyASN1 on P-256.
func BenchmarkAuthenticate(b *testing.B) {
	const many = 2048
	for _, c := range []struct {
		name         string
		alg          string
		dpop, cached bool
		unit         string
	}{
		{"1-bearer-ES256-cold", "ES256", false, false, "R"},
		{"2-bearer-PS256-cold", "PS256", false, false, "PSS"},
		{"5-dpop-cached", "ES256", true, true, "R"},
		{"6-dpop-cold", "ES256", true, false, "R"},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newBench(b, 800)
			floor := s.rawES256()
			if c.unit == "PSS" {
				floor = s.rawPS256()
			}
			requests := make([]*http.Request, many)
			one := s.token(c.alg, c.dpop)
			for i := range requests {
				raw, proof := one, ""
				if !c.cached {
					raw = s.token(c.alg, c.dpop)
				}
				if c.dpop {
					proof = s.proof(raw)
				}
				requests[i] = s.request(raw, proof)
			}
			v := s.verifier(c.cached)
			ratio(b, c.unit, func(int) { floor() }, func(i int) {
				if c.dpop && i%many == 0 {
					v = s.verifier(c.cached) // the proofs are new to it
				}
				if _, err := v.Authenticate(requests[i%many]); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
	for _, size := range []int{0, 800, 2500} {
		b.Run("3-bearer-cached-certificate-"+strconv.Itoa(size), func(b *testing.B) {
			s := newBench(b, size)
			v, r, floor := s.verifier(true), s.request(s.token("ES256", false), ""), s.rawES256()
			const batch = 256
			ratio(b, "R*256", func(int) { floor() }, func(int) {
				for range batch {
					if _, err := v.Authenticate(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
	b.Run("7-refused-before-a-signature", func(b *testing.B) {
		s := newBench(b, 0)
		v, floor := s.verifier(true), s.rawES256()
		raw := s.token("ES256", true)
		r := s.request(raw, s.proof(raw))
		r.Method = "POST"
		ratio(b, "R", func(int) { floor() }, func(int) {
			if _, err := v.Authenticate(r); err == nil {
				b.Fatal("accepted")
			}
		})
	})
	b.Run("refused-with-a-bad-signature", func(b *testing.B) {
		s := newBench(b, 0)
		v, floor := s.verifier(true), s.rawES256()
		other := newBench(b, 0)
		raw := other.token("ES256", false)
		r := s.request(raw, "")
		ratio(b, "R", func(int) { floor() }, func(int) {
			if _, err := v.Authenticate(r); err == nil {
				b.Fatal("accepted")
			}
		})
	})
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newBench(t, 800)
	cached, bare := s.verifier(true), s.verifier(false)
	bearer := s.token("ES256", false)
	bound := s.token("ES256", true)
	proofs := make([]*http.Request, 202)
	for i := range proofs {
		proofs[i] = s.request(bound, s.proof(bound))
	}
	next := 0
	for _, c := range []struct {
		name  string
		bound float64
		v     *token.Verifier
		r     func() *http.Request
	}{
		{"budget 3: certificate-bound, cached", 0, cached, func() func() *http.Request { r := s.request(bearer, ""); return func() *http.Request { return r } }()},
		{"budget 1: ES256 cold", 16, bare, func() func() *http.Request { r := s.request(bearer, ""); return func() *http.Request { return r } }()},
		{"budget 2: PS256 cold", 19, bare, func() func() *http.Request {
			r := s.request(s.token("PS256", false), "")
			return func() *http.Request { return r }
		}()},
		{"budget 5: DPoP, cached", 21, cached, func() *http.Request { next++; return proofs[next-1] }},
		{"budget 6: DPoP, cold", 37, bare, func() *http.Request { next++; return proofs[next-1] }},
	} {
		n := testing.AllocsPerRun(100, func() {
			if _, err := c.v.Authenticate(c.r()); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %v", c.name, n)
		if n > c.bound {
			t.Errorf("%s: %v allocations, at most %v", c.name, n, c.bound)
		}
	}
}
