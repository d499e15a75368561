package token_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

// seen is what a handler behind RequireBody got.
type seen struct {
	body     string
	err      error
	length   int64
	encoding []string
	pattern  string
	id       string
}

func (s *seen) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	*s = seen{string(body), err, r.ContentLength, r.TransferEncoding, r.Pattern, r.PathValue("id")}
	_ = r.Body.Close()
	w.WriteHeader(http.StatusOK)
}

// tattered is a body that breaks off, and knows whether it was read and closed.
type tattered struct {
	io.Reader
	reads, closes int
}

func (b *tattered) Read(p []byte) (int, error) { b.reads++; return b.Reader.Read(p) }
func (b *tattered) Close() error               { b.closes++; return nil }

var errBroke = errors.New("broke off")

func breaking(text string) io.Reader {
	return io.MultiReader(strings.NewReader(text), iotestErr{})
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errBroke }

func TestRequireBody(t *testing.T) {
	var got string
	var verdict error
	policy := func(_ *http.Request, g token.Grant, body []byte) error {
		if g.Client() != "tpp-1" {
			t.Errorf("policy sees %q", g.Client())
		}
		got = string(body)
		return verdict
	}
	var s seen
	k := guardingBody(t, "POST /p/{id}", token.Scope("payments"), token.RequireBodyWithin(10, policy), func(k *rig) { k.handler = s.serve })
	post := func(body io.Reader, length int64, edits ...func(*draft)) (answer, *tattered) {
		got, verdict, s = "unasked", nil, seen{}
		b := &tattered{Reader: body}
		r := k.sending("POST", "/p/7", "x", edits...)
		r.Body, r.ContentLength = b, length
		return k.call(r), b
	}
	for _, body := range []string{"x", "0123456789", "\x00\xff\r\n{"} {
		for _, length := range []int64{int64(len(body)), -1} {
			a, b := post(strings.NewReader(body), length)
			a.ok(t)
			if got != body || s.body != body || s.err != nil || s.length != length || s.pattern != "POST /p/{id}" || s.id != "7" || b.closes != 1 {
				t.Errorf("pitfall-96: policy got %q, handler %+v, closed %d times; want %q, %d", got, s, b.closes, body, length)
			}
			if a.records[0]["route"] != "POST /p/{id}" {
				t.Errorf("route %v", a.records[0]["route"])
			}
		}
	}
	t.Run("pitfall-96: too large", func(t *testing.T) {
		shape413 := shape{"413", 413, "", inNone}
		a, b := post(strings.NewReader("01234567890"), 11)
		a.refused(t, shape413, token.ErrBodyTooLarge)
		if got != "unasked" || b.reads != 0 {
			t.Errorf("policy got %q, %d reads", got, b.reads)
		}
		a, _ = post(strings.NewReader("01234567890"), -1)
		a.refused(t, shape413, token.ErrBodyTooLarge)
		a, _ = post(endless{}, -1)
		a.refused(t, shape413, token.ErrBodyTooLarge)
		r := k.sending("POST", "/p/7", "01234567")
		r.Body, r.ContentLength = http.MaxBytesReader(nil, r.Body, 5), -1
		k.call(r).refused(t, shape413, token.ErrBodyTooLarge)
		if got != "unasked" {
			t.Errorf("policy got %q", got)
		}
	})
	t.Run("a body that breaks off", func(t *testing.T) {
		a, _ := post(breaking("0123"), -1)
		a.refused(t, shape{"400", 400, "", inNone}, token.ErrBody)
		if got != "unasked" {
			t.Errorf("policy got %q", got)
		}
	})
	t.Run("not read for who may not come here", func(t *testing.T) {
		a, b := post(strings.NewReader("x"), 1, claim("scope", `"x"`))
		a.refused(t, eIS, token.ErrScope)
		if b.reads != 0 || got != "unasked" {
			t.Errorf("%d reads, policy got %q", b.reads, got)
		}
	})
	t.Run("without a body", func(t *testing.T) {
		for _, method := range []string{"GET", "DELETE"} {
			for _, none := range []io.ReadCloser{nil, http.NoBody} {
				got, s = "unasked", seen{}
				k := guardingBody(t, "/p/{id}", token.Authenticated(), token.RequireBody(policy), func(k *rig) {
					k.handler = func(_ http.ResponseWriter, r *http.Request) {
						if r.Body != none {
							t.Error("the body was replaced")
						}
					}
				})
				r := k.sending(method, "/p/7", "")
				r.Body = none
				k.call(r).ok(t)
				if got != "" {
					t.Errorf("policy got %q", got)
				}
			}
		}
	})
}

func TestRequireBodyVerdicts(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		reason audit.Reason
	}{
		{&audit.Refusal{Reason: "bank: no", Status: 422, Detail: "no"}, 422, "bank: no"}, {errors.New("broken"), 500, audit.ErrInternal},
	} {
		k := guardingBody(t, "POST /p", token.Authenticated(), token.RequireBody(func(*http.Request, token.Grant, []byte) error { return c.err }))
		if a := k.call(k.sending("POST", "/p", "x")); a.status != c.status || a.ran != 0 || a.records[0]["reason"] != string(c.reason) {
			t.Errorf("%d, %v", a.status, a.records)
		}
	}
	t.Run("pitfall-111: what is waived has its body still", func(t *testing.T) {
		for body, reason := range map[string]audit.Reason{"0123456789": "bank: no", "01234567890": token.ErrBodyTooLarge} {
			var s seen
			k := guardingBody(t, "POST /p", token.Authenticated(), token.RequireBodyWithin(10, func(*http.Request, token.Grant, []byte) error {
				return &audit.Refusal{Reason: "bank: no", Status: 403}
			}), func(k *rig) {
				k.handler = s.serve
				k.log.Waive = func(*http.Request, *audit.Refusal) bool { return true }
			})
			for _, length := range []int64{int64(len(body)), -1} {
				r := k.sending("POST", "/p", body)
				r.ContentLength = length
				a := k.call(r)
				if a.status != 200 || a.ran != 1 || s.body != body || s.err != nil || a.records[0]["decision"] != "would_deny" || a.records[0]["reason"] != string(reason) {
					t.Errorf("%d, %+v, %v", a.status, s, a.records)
				}
			}
			r := k.sending("POST", "/p", body)
			r.Body, r.ContentLength = io.NopCloser(breaking("012")), -1
			if k.call(r); s.body != "012" || !errors.Is(s.err, errBroke) {
				t.Errorf("%+v, want what came and then the fault", s)
			}
		}
	})
	t.Run("misplaced", func(t *testing.T) {
		h := token.RequireBody(func(*http.Request, token.Grant, []byte) error { return nil })(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("ran") }))
		b := &tattered{Reader: strings.NewReader("x")}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", b))
		if w.Code != 500 || b.reads != 0 {
			t.Errorf("%d, %d reads", w.Code, b.reads)
		}
	})
	for _, f := range []func(){
		func() { token.RequireBody(nil) }, func() { token.RequireBodyWithin(0, noBody) }, func() { token.RequireBodyWithin(-1, noBody) }, func() { token.RequireBodyWithin(1<<30+1, noBody) },
	} {
		if !panics(f) {
			t.Error("no panic")
		}
	}
}

func noBody(*http.Request, token.Grant, []byte) error { return nil }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestRequireBodyDefault: 1 MiB pass, over a real connection, chunked too.
func TestRequireBodyDefault(t *testing.T) {
	var s seen
	k := guardingBody(t, "POST /p", token.Authenticated(), token.RequireBody(noBody), func(k *rig) { k.handler = s.serve })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { k.chain.ServeHTTP(w, over(r, k.cert)) }))
	defer server.Close()
	for size, want := range map[int]int{0: 200, 1 << 20: 200, 1<<20 + 1: 413} {
		for _, chunked := range []bool{false, true} {
			body := bytes.Repeat([]byte("a"), size)
			var content io.Reader = bytes.NewReader(body)
			if chunked {
				content = io.MultiReader(content)
			}
			r, err := http.NewRequest("POST", server.URL+"/p", content)
			must(err)
			r.Header.Set("Authorization", "Bearer "+k.bearer())
			resp, err := http.DefaultClient.Do(r)
			must(err)
			_ = resp.Body.Close()
			if resp.StatusCode != want || want == 200 && (s.body != string(body) || s.err != nil || chunked != (s.length == -1) || chunked && len(s.encoding) != 1) {
				t.Errorf("%d bytes, chunked %v: %d, %d bytes, length %d, %v", size, chunked, resp.StatusCode, len(s.body), s.length, s.encoding)
			}
			s = seen{}
		}
	}
}

// opening is a layer that opens sealed fields as encrypt.Fields.Wrap does: the request that goes on is a copy with
// another body of another length.
func opening(old, new string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			must(err)
			text := strings.ReplaceAll(string(body), old, new)
			in := r.WithContext(r.Context())
			in.Body, in.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			audit.Follow(in)
			next.ServeHTTP(w, in)
		})
	}
}

// TestSealedPayment: what is compared is the body as it was opened.
func TestSealedPayment(t *testing.T) {
	body := policyOf(token.NewPaymentPolicy(token.PaymentConfig{}))
	var s seen
	k := guardingBody(t, "POST /payments", token.Scope("payments"), func(next http.Handler) http.Handler {
		return opening("eyJ.sealed", payPayee)(token.RequireBody(body)(next))
	}, func(k *rig) { k.handler = s.serve })
	sealed := strings.Replace(payOrder, payPayee, "eyJ.sealed", 1)
	k.pays(sealed, payDetails(`[`+payDetail+`]`)).ok(t)
	if s.body != payOrder || s.length != int64(len(payOrder)) {
		t.Errorf("%+v", s)
	}
	k.pays(strings.Replace(payOrder, payPayee, "DE99", 1), payDetails(`[`+payDetail+`]`)).refused(t, eIS, token.ErrDetailsPayment)
}
