package main_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/internal/redistest"
)

// TestReplicas drives two processes over every kind of Redis: they are one bank.
func TestReplicas(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) (at string, fail func()){
		"single":   func(t *testing.T) (string, func()) { return "redis://" + redistest.Start(t).Addr(), nil },
		"cluster":  clusterOfThree,
		"sentinel": sentinels,
	} {
		t.Run("R7 "+name, func(t *testing.T) {
			at, fail := start(t)
			s := newStage(t)
			secret := s.file("nonce", []byte(newSecret()+"\n"))
			admin := freeAddr(t)
			flags := []string{"-public-url", "https://api.bank.example", "-redis", at, "-require-nonce", "-nonce-secret", secret, "-idempotency"}
			one, two := s.start(append(flags, "-admin", admin)...), s.start(append(flags, "-admin", freeAddr(t))...)
			one.until(200, 20*time.Second, func() call { return call{} })
			two.until(200, 20*time.Second, func() call { return call{} })

			nonce := one.nonce(t)
			a := two.do(publicly(nonce))
			two.wants(t, a, 200, "", "")
			for _, b := range []*bank{one, two} {
				b.wants(t, b.do(call{dpop: true, token: a.token, proof: a.proof}), 401, "invalid_dpop_proof", "replay: used")
			}
			elsewhere := publicly(nonce)
			elsewhere.changes["jti"], elsewhere.changes["htu"] = "R3: refused for another reason", "https://other.example/accounts"
			one.wants(t, one.do(elsewhere), 401, "invalid_dpop_proof", "token: DPoP proof for another target")
			here := publicly(nonce)
			here.changes["jti"] = elsewhere.changes["jti"]
			two.wants(t, two.do(here), 200, "", "") // it was not spent
			first := one.do(payWith(`"k"`, goodPayment))
			one.wants(t, first, 201, "", "")
			if again := two.do(payWith(`"k"`, goodPayment)); again.StatusCode != 201 || again.text != first.text {
				t.Errorf("%s and then %d %s", first.text, again.StatusCode, again.text)
			}
			revoked := call{token: s.issuer.Token(merge(actors.BoundTo(s.x5t(), ""), actors.Claims{"jti": "gone"}))}
			two.wants(t, two.do(revoked), 200, "", "")
			revoke(t, admin, `{"jti":"gone"}`)
			two.until(401, 20*time.Second, func() call { return revoked })
			if fail != nil {
				fail()
				for _, b := range []*bank{one, two} {
					b.until(200, 40*time.Second, func() call { return publicly(nonce) })
					b.wants(t, b.do(revoked), 401, "invalid_token", "replay: revoked")
				}
			}
			for _, b := range []*bank{one, two} {
				if strings.Contains(b.stdout.String()+b.stderr.String(), secretOfRedis) {
					t.Error("the password is in the output")
				}
				records(t, b.stderr.String())
			}
		})
	}
}

const secretOfRedis = "s3cret-of-redis"

// clusterOfThree starts a Cluster that lets a user in by name and password.
func clusterOfThree(t *testing.T) (string, func()) {
	c := redistest.StartClusterOf(t, 3, "--user", "bank", "on", ">"+secretOfRedis, "~*", "&*", "+@all")
	var addrs []string
	for _, s := range c.Masters {
		addrs = append(addrs, s.Addr())
	}
	return "redis://bank:" + secretOfRedis + "@" + strings.Join(addrs, ","), nil
}

// sentinels start a master that can fail over to a replica.
func sentinels(t *testing.T) (string, func()) {
	master := redistest.Start(t)
	redistest.StartReplica(t, master)
	var addrs []string
	for _, s := range redistest.StartSentinels(t, "till", master, 1, time.Second) {
		addrs = append(addrs, s.Addr())
	}
	// The servers know no password and take any.
	return "redis+sentinel://till:" + secretOfRedis + "@" + strings.Join(addrs, ",") + "/0", master.Kill
}

// TestNonceSecret has processes take each other's nonces if they share a secret, also while it is being changed.
func TestNonceSecret(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	older, newer := newSecret(), newSecret()
	start := func(name, content string) *bank {
		flags := []string{"-public-url", "https://api.bank.example", "-require-nonce"}
		if content != "" {
			flags = append(flags, "-nonce-secret", s.file(name, []byte(content)))
		}
		return s.start(flags...)
	}
	before, second := start("before", older+"\n"), start("second", "\r\n"+older+"\r\n\r\n"+newer+"\r\n")
	after, other, own := start("after", newer), start("other", newSecret()), start("", "")
	for _, test := range []struct {
		id       string
		from, at *bank
		accepted bool
	}{
		{"pitfall-72 another node", before, second, true},
		{"pitfall-72 and back", second, before, true},
		{"R11 the new secret first", after, second, true},
		{"R11 the old one is gone", before, after, false},
		{"pitfall-72 another secret", other, before, false},
		{"R11 no secret", own, before, false},
	} {
		t.Run(test.id, func(t *testing.T) {
			a := test.at.do(publicly(test.from.nonce(t)))
			if test.accepted {
				test.at.wants(t, a, 200, "", "")
				return
			}
			test.at.wants(t, a, 401, "use_dpop_nonce", "token: stale or foreign DPoP nonce")
		})
	}
	for _, b := range []*bank{before, second, after} {
		if text := b.stdout.String() + b.stderr.String(); strings.Contains(text, older) || strings.Contains(text, newer) {
			t.Error("a secret is in the output")
		}
	}
}

// TestNonceAges has a nonce replaced on success when half its time is over, and refused after all of it.
func TestNonceAges(t *testing.T) {
	t.Parallel()
	t.Run("R10, RFC9449-8.2-1", func(t *testing.T) {
		b := newStage(t).start("-public-url", "https://api.bank.example", "-require-nonce", "-nonce-ttl", "4s")
		nonce, next := b.nonce(t), ""
		for end := time.Now().Add(60 * time.Second); next == ""; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("no other nonce is offered")
			}
			switch a := b.do(publicly(nonce)); a.StatusCode {
			case 200:
				next = a.Header.Get("DPoP-Nonce")
			default: // on a slow machine it is over before it was replaced
				nonce = b.nonce(t)
			}
		}
		if next == nonce {
			t.Error("the same nonce again")
		}
		b.until(401, 60*time.Second, func() call { return publicly(nonce) })
		b.wants(t, b.do(publicly(nonce)), 401, "use_dpop_nonce", "token: stale or foreign DPoP nonce")
	})
}

// TestNonceSecretFile has mistakes in the file end the process, which says nothing of what is in it.
func TestNonceSecretFile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	long := newSecret()
	for name, content := range map[string]string{
		"empty": "", "blank": " \n\n", "short": "short-secret-words", "one short": long + "\nshort-secret-words\n",
		"nine": strings.Repeat(long+"\n", 9), "too long": strings.Repeat(long+"\n", 500), "short binary": "\x00\x01\x02",
	} {
		t.Run(name, func(t *testing.T) {
			b := s.process(append(s.flags("127.0.0.1:0"), "-require-nonce", "-nonce-secret", s.file(name, []byte(content)))...)
			select {
			case <-b.gone:
			case <-time.After(30 * time.Second):
				t.Fatal("the process goes on")
			}
			text := b.stdout.String() + b.stderr.String()
			if code := b.cmd.ProcessState.ExitCode(); code != 1 || text == "" {
				t.Errorf("exit %d, %q", code, text)
			}
			if strings.Contains(text, long) || strings.Contains(text, "short-secret-words") {
				t.Errorf("a secret is in the output: %q", text)
			}
		})
	}
	t.Run("binary", func(t *testing.T) {
		random := make([]byte, 32)
		rand.Read(random)
		random[0], random[1] = 0, '\n'
		file := s.file("binary", random)
		flags := []string{"-public-url", "https://api.bank.example", "-require-nonce", "-nonce-secret", file}
		one, two := s.start(flags...), s.start(flags...)
		two.wants(t, two.do(publicly(one.nonce(t))), 200, "", "")
	})
}

func newSecret() string {
	random := make([]byte, 32)
	rand.Read(random)
	return base64.StdEncoding.EncodeToString(random)
}

// publicly is a call under the public URL, with a nonce unless it is empty.
func publicly(nonce string) call {
	changes := actors.Claims{"htu": "https://api.bank.example/accounts"}
	if nonce != "" {
		changes["nonce"] = nonce
	}
	return call{dpop: true, changes: changes}
}

// nonce asks for one.
func (b *bank) nonce(t *testing.T) string {
	t.Helper()
	a := b.do(publicly(""))
	b.wants(t, a, 401, "use_dpop_nonce", "token: no DPoP nonce")
	return a.Header.Get("DPoP-Nonce")
}

// revoke tells an administration what is taken back.
func revoke(t *testing.T, admin, order string) {
	t.Helper()
	resp, err := http.Post("http://"+admin+"/revocations", "application/json", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 204 {
		t.Fatal(resp.StatusCode)
	}
}
