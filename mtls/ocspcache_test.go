package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
)

var errGone = errors.New("gone")

// timed is an OCSP in fake time, and a source that asks it.
func timed(t *testing.T, config mtls.OCSPConfig) (*responder, *mtls.OCSP, *identity, *identity) {
	ca := issue(t, nil, func(c *x509.Certificate) { asLister("ca")(c); c.NotAfter = time.Now().Add(480 * time.Hour) })
	id := issue(t, ca, func(c *x509.Certificate) {
		at("http://ocsp.example")(c)
		c.NotAfter = time.Now().Add(400 * time.Hour)
	})
	s := &responder{ca: ca}
	return s, asking(t, s, config), id, ca
}

func TestOCSPIsKept(t *testing.T) {
	expect := func(t *testing.T, o *mtls.OCSP, s *responder, id, ca *identity, want string, asked int) {
		t.Helper()
		got := judged(o, id.cert, ca.cert)
		synctest.Wait()
		if got != want || s.times() != asked {
			t.Errorf("%s after %d questions, want %s after %d", got, s.times(), want, asked)
		}
	}
	t.Run("M9/for an hour, and renewed ahead", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, id, ca := timed(t, mtls.OCSPConfig{})
			expect(t, o, s, id, ca, "good", 1)
			time.Sleep(30 * time.Minute)
			expect(t, o, s, id, ca, "good", 1)
			time.Sleep(time.Second)
			s.says(revoked)
			expect(t, o, s, id, ca, "good", 2) // from memory, while the question is under way
			expect(t, o, s, id, ca, "revoked", 2)
		})
	})
	t.Run("M9/no longer than its nextUpdate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, id, ca := timed(t, mtls.OCSPConfig{})
			s.says(func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(10 * time.Minute) })
			expect(t, o, s, id, ca, "good", 1)
			s.sends(func([]byte) ([]byte, error) { return nil, errGone })
			time.Sleep(10 * time.Minute)
			expect(t, o, s, id, ca, "good", 2) // what is known counts as long as it lasts
			time.Sleep(2 * time.Second)
			expect(t, o, s, id, ca, "unknown", 3)
		})
	})
	t.Run("M9/for a minute without a nextUpdate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, id, ca := timed(t, mtls.OCSPConfig{})
			s.says(func(r *ocsp.Response) { r.NextUpdate = time.Time{} })
			expect(t, o, s, id, ca, "good", 1)
			s.sends(func([]byte) ([]byte, error) { return nil, errGone })
			time.Sleep(time.Minute)
			expect(t, o, s, id, ca, "good", 2)
			time.Sleep(2 * time.Second)
			expect(t, o, s, id, ca, "unknown", 3)
		})
	})
	t.Run("M9/revoked stays revoked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, id, ca := timed(t, mtls.OCSPConfig{})
			old := time.Now().Add(-time.Minute)
			s.says(revoked)
			expect(t, o, s, id, ca, "revoked", 1)
			s.sends(func([]byte) ([]byte, error) { return nil, errGone })
			time.Sleep(48 * time.Hour)
			expect(t, o, s, id, ca, "revoked", 2)
			// An answer from before, repeated by somebody.
			s.sends(nil)
			s.says(func(r *ocsp.Response) { r.ThisUpdate = old.Add(-time.Hour) })
			time.Sleep(time.Minute)
			expect(t, o, s, id, ca, "revoked", 3)
			expect(t, o, s, id, ca, "revoked", 3)
			s.says(nil) // a certificate on hold that was let go
			time.Sleep(time.Minute)
			expect(t, o, s, id, ca, "revoked", 4)
			expect(t, o, s, id, ca, "good", 4)
		})
	})
	t.Run("M9/revoked stays revoked, by an answer of the same second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, id, ca := timed(t, mtls.OCSPConfig{})
			made := time.Now().Add(-time.Minute)
			s.says(func(r *ocsp.Response) { revoked(r); r.ThisUpdate = made })
			expect(t, o, s, id, ca, "revoked", 1)
			time.Sleep(48 * time.Hour)
			s.says(func(r *ocsp.Response) { r.ThisUpdate = made })
			expect(t, o, s, id, ca, "revoked", 2)
			expect(t, o, s, id, ca, "revoked", 2)
		})
	})
	t.Run("M9/revoked stays revoked, however many others come", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, id, ca := timed(t, mtls.OCSPConfig{MaxKept: 8})
			s.says(revoked)
			expect(t, o, s, id, ca, "revoked", 1)
			s.says(nil)
			for range 50 {
				_ = judged(o, issue(t, ca, at("http://ocsp.example")).cert, ca.cert)
			}
			s.sends(func([]byte) ([]byte, error) { return nil, errGone })
			expect(t, o, s, id, ca, "revoked", 51)
			s.sends(nil)
			s.says(revoked) // where all are, the bound holds all the same
			for range 50 {
				if got := judged(o, issue(t, ca, at("http://ocsp.example")).cert, ca.cert); got != "revoked" || o.Kept() > 8 {
					t.Fatalf("%s, %d kept", got, o.Kept())
				}
			}
		})
	})
	t.Run("M9/bounded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, o, _, ca := timed(t, mtls.OCSPConfig{MaxKept: 8})
			for range 50 {
				if got := judged(o, issue(t, ca, at("http://ocsp.example")).cert, ca.cert); got != "good" || o.Kept() > 8 {
					t.Fatalf("%s, %d kept", got, o.Kept())
				}
			}
		})
	})
}

// TestOCSPCauses: a 503 for want of a good answer says in the record what was wrong with the one that came.
func TestOCSPCauses(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	for name, c := range map[string]struct {
		url  string
		says func(*ocsp.Response)
		want string
	}{
		"unknown":   {url: "http://ocsp.example", says: func(r *ocsp.Response) { r.Status = ocsp.Unknown }, want: "mtls: OCSP: the responder does not know the certificate"},
		"over":      {url: "http://ocsp.example", says: func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Second) }, want: "mtls: OCSP: answer over, too old or from the future"},
		"another's": {url: "http://ocsp.example", says: func(r *ocsp.Response) { r.SerialNumber = big.NewInt(1) }, want: "mtls: OCSP: answer about another certificate"},
		"nobody":    {url: "ldap://ocsp.example", want: "mtls: OCSP: no responder for the certificate"},
	} {
		t.Run("M9/"+name, func(t *testing.T) {
			source := withOCSP(t, ca, asking(t, &responder{ca: ca, change: c.says}, mtls.OCSPConfig{}))
			_, err := source.Peer(shown(issue(t, ca, at(c.url)), ca))
			f, ok := err.(*audit.Refusal)
			if !ok || f.Status != 503 || f.Reason != mtls.ErrRevocationUnknown {
				t.Fatal(err)
			}
			if said, ok := f.Cause.(slog.LogValuer); !ok || said.LogValue().String() != c.want {
				t.Errorf("%v, want %q", f.Cause, c.want)
			}
		})
	}
}

// TestOCSPTimeout: a question has a time of its own, whoever waits for it.
func TestOCSPTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 2 * time.Second, time.Minute: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			_, o, id, ca := timed(t, mtls.OCSPConfig{Timeout: timeout})
			o.Answered(func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			began := time.Now()
			if got := judged(o, id.cert, ca.cert); got != "unknown" || time.Since(began) != want {
				t.Errorf("M9/%s after %s, want %s", got, time.Since(began), want)
			}
		})
	}
}

// TestOCSPRenewedByPeer: requests of a connection that was judged before renew an answer ahead, too.
func TestOCSPRenewedByPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o, id, ca := timed(t, mtls.OCSPConfig{})
		source, r := withOCSP(t, ca, o), shown(id, ca)
		for minutes, want := range []int{1, 1, 2, 2} { // questions, after so many times 20 minutes
			_, err := source.Peer(r)
			if synctest.Wait(); err != nil || s.times() != want {
				t.Errorf("M9/after %d minutes: asked %d times, %v", 20*minutes, s.times(), err)
			}
			time.Sleep(20 * time.Minute)
		}
		s.says(revoked)
		_, _ = source.Peer(r)
		if synctest.Wait(); s.times() != 3 {
			t.Errorf("asked %d times", s.times())
		}
		if _, err := source.Peer(r); !errors.Is(err, mtls.ErrRevoked) {
			t.Errorf("M9/revoked meanwhile: %v", err)
		}
	})
}

// TestOCSPFlights: many who want to know the same ask once, and whoever goes away ends nothing.
func TestOCSPFlights(t *testing.T) {
	t.Run("M9/once for many", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, id, ca := timed(t, mtls.OCSPConfig{})
			let := make(chan struct{})
			o.Answered(func(ctx context.Context, url string, question []byte) ([]byte, error) {
				<-let
				return s.answer(t, question)
			})
			gone, leave := context.WithCancel(t.Context())
			var first error
			var all sync.WaitGroup
			all.Go(func() { first = o.Revoked(gone, []*x509.Certificate{id.cert, ca.cert}) })
			synctest.Wait()
			for range 50 {
				all.Go(func() {
					if got := judged(o, id.cert, ca.cert); got != "good" {
						t.Error(got)
					}
				})
			}
			synctest.Wait()
			leave()
			synctest.Wait()
			close(let)
			all.Wait()
			if s.times() != 1 || first == nil || errors.Is(first, mtls.ErrRevoked) {
				t.Errorf("asked %d times, who left was told %v", s.times(), first)
			}
		})
	})
	t.Run("M9/few at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, o, _, ca := timed(t, mtls.OCSPConfig{})
			let := make(chan struct{})
			o.Answered(func(ctx context.Context, url string, question []byte) ([]byte, error) {
				<-let
				return s.answer(t, question)
			})
			var mu sync.Mutex
			count := map[string]int{}
			var all sync.WaitGroup
			for range 100 {
				id := issue(t, ca, at("http://ocsp.example"))
				all.Go(func() {
					got := judged(o, id.cert, ca.cert)
					mu.Lock()
					defer mu.Unlock()
					count[got]++
				})
			}
			synctest.Wait()
			close(let)
			all.Wait()
			if count["good"] != 64 || count["unknown"] != 36 {
				t.Error(count)
			}
		})
	})
}

// TestOCSPOutage: a responder that is gone is 503, is not asked all the time, and comes back.
func TestOCSPOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		s, o, id, ca := timed(t, mtls.OCSPConfig{OnError: func(err error) { told = append(told, err) }})
		source := withOCSP(t, ca, o)
		s.sends(func([]byte) ([]byte, error) { return nil, errGone })
		known := issue(t, ca, at("http://other.example"))
		began := time.Now()
		for range 1200 { // requests, twenty a second
			_, err := source.Peer(shown(id, ca))
			wants(t, err, mtls.ErrRevocationUnknown, 503)
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		// 3 at once, then with pauses of 1, 2, 4, 8, 16, 30 seconds.
		if n := s.times(); n < 5 || n > 10 {
			t.Errorf("asked %d times in %s", n, time.Since(began))
		}
		if len(told) != 1 || !errors.Is(told[0], errGone) || !strings.Contains(told[0].Error(), "ocsp.example") {
			t.Errorf("told %v", told)
		}
		before := s.times()
		if _, err := source.Peer(shown(known, ca)); err == nil || s.times() == before {
			t.Error("another responder is left alone too")
		}
		s.sends(nil)
		time.Sleep(time.Minute)
		if _, err := source.Peer(shown(id, ca)); err != nil {
			t.Error(err)
		}
	})
}

// TestOCSPOneOddCertificate: of whom the responder knows nothing keeps nobody else out.
func TestOCSPOneOddCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o, id, ca := timed(t, mtls.OCSPConfig{})
		odd := issue(t, ca, at("http://ocsp.example"))
		o.Answered(func(_ context.Context, _ string, question []byte) ([]byte, error) {
			if asked, err := ocsp.ParseRequest(question); err == nil && asked.SerialNumber.Cmp(odd.cert.SerialNumber) == 0 {
				_, _ = s.answer(t, question)
				return ocsp.UnauthorizedErrorResponse, nil
			}
			return s.answer(t, question)
		})
		for range 100 {
			if got := judged(o, odd.cert, ca.cert); got != "unknown" {
				t.Fatal(got)
			}
			time.Sleep(200 * time.Millisecond)
		}
		if n := s.times(); n > 3 {
			t.Errorf("asked %d times in 20 seconds", n)
		}
		if got := judged(o, id.cert, ca.cert); got != "good" {
			t.Error(got)
		}
	})
}

// TestOCSPAndResumption: a session that began before does not outlive the certificate's good standing.
func TestOCSPAndResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run("RFC9325-3.4/M9/"+tls.VersionName(version), func(t *testing.T) {
			ca := issue(t, nil, asLister("ca"))
			id := issue(t, ca, at("http://ocsp.example"))
			s := &responder{ca: ca}
			o := asking(t, s, mtls.OCSPConfig{Keep: time.Nanosecond})
			config := serverConfig(t, withOCSP(t, ca, o), mtls.Required)
			c := resuming{version: version, cache: tls.NewLRUClientSessionCache(4)}.as(id)
			if first := connect(t, config, c); first.err != nil || first.resumed {
				t.Fatalf("%+v", first)
			}
			if second := connect(t, config, c); second.err != nil || !second.resumed {
				t.Fatalf("%+v", second)
			}
			s.says(revoked)
			if third := connect(t, config, c); !errors.Is(third.err, mtls.ErrRevoked) {
				t.Errorf("%+v", third)
			}
		})
	}
}
