package token_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

const (
	payPayee  = "DE02120300000000202051"
	payDetail = `{"type":"payment_initiation","instructedAmount":{"amount":"123.50","currency":"EUR"},"creditorAccount":"DE02120300000000202051"}`
	payOrder  = `{"debtorAccount":"acc-1","creditorAccount":"DE02120300000000202051","creditorName":"N","amount":"123.5","currency":"EUR","reference":"r"}`
)

// paying is a rig with POST /payments behind that policy.
func paying(t *testing.T, c token.PaymentConfig, edits ...func(*rig)) *rig {
	t.Helper()
	return guardingBody(t, "POST /payments", token.Scope("payments"), token.RequireBody(policyOf(token.NewPaymentPolicy(c))), edits...)
}

func (k *rig) pays(body string, edits ...func(*draft)) answer {
	return k.call(k.sending(http.MethodPost, "/payments", body, edits...))
}

func TestPaymentPolicy(t *testing.T) {
	with := func(old, new string) string {
		s := strings.Replace(payDetail, old, new, 1)
		if s == payDetail {
			t.Fatal(old)
		}
		return s
	}
	changed := func(old, new string) string {
		s := strings.Replace(payOrder, old, new, 1)
		if s == payOrder {
			t.Fatal(old)
		}
		return s
	}
	iban := `{"iban":"` + payPayee + `","bic":"X"}`
	for _, c := range []struct {
		name    string
		details string // empty: absent
		body    string
		reason  audit.Reason
	}{
		{"the same", payDetail, payOrder, ""},
		{"amount as written otherwise", with("123.50", "123.500"), payOrder, ""},
		{"amount as a number", payDetail, changed(`"123.5"`, `123.50`), ""},
		{"RFC 9396 §2: the account is an object", with(`"`+payPayee+`"`, iban), payOrder, ""},
		{"instructedAmount in the body", payDetail, changed(`"amount":"123.5","currency":"EUR"`, `"instructedAmount":{"currency":"EUR","amount":"123.50"}`), ""},
		{"one of two", with("123.50", "1") + "," + payDetail, payOrder, ""},
		{"actions and locations", with(`{`, `{"actions":["initiate","status"],"locations":["`+rigOrigin+`"],`), payOrder, ""},

		{"RAR-pay-once: amount", payDetail, changed(`"123.5"`, `"123.51"`), token.ErrDetailsPayment},
		{"amount by part", payDetail, changed(`"123.5"`, `"123"`), token.ErrDetailsPayment},
		{"ten times the amount", with("123.50", "1235.0"), payOrder, token.ErrDetailsPayment},
		{"a digit that no float64 sees", with("123.50", "100000000000000.01"), changed(`"123.5"`, `"100000000000000.012"`), token.ErrDetailsPayment},
		{"currency", payDetail, changed("EUR", "GBP"), token.ErrDetailsPayment},
		{"currency in another case", payDetail, changed("EUR", "eur"), token.ErrDetailsPayment},
		{"payPayee", payDetail, changed(payPayee, "DE02120300000000202052"), token.ErrDetailsPayment},
		{"payPayee with spaces", payDetail, changed(payPayee, "DE02 1203 0000 0000 2020 51"), token.ErrDetailsPayment},
		{"amount and payPayee of two details", with("123.50", "1") + "," + with(payPayee, "DE1"), payOrder, token.ErrDetailsPayment},
		{"other location", with(`{`, `{"locations":["https://other.example"],`), payOrder, token.ErrDetailsPayment},
		{"other action", with(`{`, `{"actions":["status"],`), payOrder, token.ErrDetailsPayment},
		{"an identifier that nobody compares", with(`{`, `{"identifier":"x",`), payOrder, token.ErrDetailsPayment},
		{"an amount beside instructedAmount", with(`{`, `{"amount":"123.50",`), payOrder, token.ErrDetailsPayment},
		{"no instructedAmount", `{"type":"payment_initiation","creditorAccount":"` + payPayee + `"}`, payOrder, token.ErrDetailsPayment},
		{"no creditorAccount", `{"type":"payment_initiation","instructedAmount":{"amount":"123.50","currency":"EUR"}}`, payOrder, token.ErrDetailsPayment},
		{"instructedAmount in another case", with("instructedAmount", "InstructedAmount"), payOrder, token.ErrDetailsPayment},
		{"a negative amount", with("123.50", "-123.50"), changed(`"123.5"`, `"-123.5"`), token.ErrDetailsBody},
		{"an amount with an exponent", with("123.50", "1e2"), changed(`"123.5"`, `1e2`), token.ErrDetailsBody},
		{"an account with two names", with(`"`+payPayee+`"`, `{"iban":"`+payPayee+`","bban":"1"}`), payOrder, token.ErrDetailsPayment},
		{"an account with a bank that nobody approved", payDetail, changed(`"`+payPayee+`"`, `{"iban":"`+payPayee+`","bic":"Y"}`), token.ErrDetailsBody},
		{"an account as an object in the body", payDetail, changed(`"`+payPayee+`"`, `{"iban":"`+payPayee+`","currency":"EUR"}`), ""},
		{"null", with(`"`+payPayee+`"`, `null`), changed(`"`+payPayee+`"`, `null`), token.ErrDetailsBody},

		{"a body that two readers read differently: twice", payDetail, changed(`{`, `{"amount":"1",`), token.ErrDetailsBody},
		{"a body that two readers read differently: case", payDetail, changed(`{`, `{"Amount":"1",`), token.ErrDetailsBody},
		{"a body that two readers read differently: both forms", payDetail, changed(`{`, `{"instructedAmount":{"amount":"123.5","currency":"EUR"},`), token.ErrDetailsBody},
		{"a body that two readers read differently: one form is empty", payDetail, changed(`{`, `{"instructedAmount":{},`), token.ErrDetailsBody},
		{"no amount", payDetail, changed(`"amount":"123.5",`, ``), token.ErrDetailsBody},
		{"no body", payDetail, "", token.ErrDetailsBody},
		{"no JSON", payDetail, "amount=123.50", token.ErrDetailsBody},
		{"no object", payDetail, "[" + payOrder + "]", token.ErrDetailsBody},
		{"two objects", payDetail, payOrder + payOrder, token.ErrDetailsBody},

		{"no details", ``, payOrder, token.ErrDetailsMissing},
		{"RFC9396-9.1: unknown type", with("payment_initiation", "Payment_Initiation"), payOrder, token.ErrDetailsMissing},
		{"RFC9396-9.1: malformed", `1`, payOrder, token.ErrDetailsMalformed},
	} {
		t.Run("Z4, Z7 "+c.name, func(t *testing.T) {
			k := paying(t, token.PaymentConfig{Locations: []string{rigOrigin}}, func(k *rig) {
				k.handler = func(_ http.ResponseWriter, r *http.Request) {
					if body, err := io.ReadAll(r.Body); err != nil || string(body) != c.body {
						t.Errorf("the handler reads %q (%v)", body, err)
					}
				}
			})
			var edits []func(*draft)
			if c.details != "" {
				edits = append(edits, payDetails(`[`+c.details+`]`))
			}
			a := k.pays(c.body, edits...)
			if c.reason == "" {
				a.ok(t)
			} else {
				a.refused(t, eIS, c.reason)
			}
			a.secret(t, payPayee, "123.5")
		})
	}
	t.Run("scope before details", func(t *testing.T) {
		paying(t, token.PaymentConfig{}).pays(payOrder, claim("scope", `"x"`)).refused(t, eIS, token.ErrScope)
	})
}

func TestPaymentOptions(t *testing.T) {
	t.Run("Optional", func(t *testing.T) {
		k := paying(t, token.PaymentConfig{Optional: true})
		k.pays(payOrder).ok(t)
		k.pays("anything").ok(t) // the handler's to judge
		k.pays(payOrder, payDetails(`[{"type":"other","instructedAmount":1}]`)).ok(t)
		k.pays(payOrder, payDetails(`[`+payDetail+`]`)).ok(t)
		k.pays(strings.Replace(payOrder, "EUR", "USD", 1), payDetails(`[`+payDetail+`]`)).refused(t, eIS, token.ErrDetailsPayment)
		k.pays(payOrder, payDetails(`{"type":"payment_initiation"}`)).refused(t, eIS, token.ErrDetailsMalformed)
	})
	t.Run("Type, Action, Body and Also", func(t *testing.T) {
		k := paying(t, token.PaymentConfig{
			Type: "pay", Action: "go",
			Body: func(body []byte) (token.Payment, error) {
				if len(body) == 0 {
					return token.Payment{}, errors.New("nothing")
				}
				return token.Payment{Amount: string(body), Currency: "JPY", Creditor: "1"}, nil
			},
			Also: func(r *http.Request, d token.Detail, body []byte) bool {
				return r.Method == "POST" && strings.Contains(d.JSON, "debtor") && len(body) > 0
			},
		})
		pay := func(more string) func(*draft) {
			return payDetails(`[{"type":"pay","instructedAmount":{"amount":"10","currency":"JPY"},"creditorAccount":"1"` + more + `}]`)
		}
		k.pays("10", pay(`,"debtor":"a","actions":["go"]`)).ok(t)
		k.pays("10", pay(`,"actions":["go"]`)).refused(t, eIS, token.ErrDetailsPayment)
		k.pays("10", pay(`,"debtor":"a","actions":["initiate"]`)).refused(t, eIS, token.ErrDetailsPayment)
		k.pays("11", pay(`,"debtor":"a"`)).refused(t, eIS, token.ErrDetailsPayment)
		k.pays("", pay(`,"debtor":"a"`)).refused(t, eIS, token.ErrDetailsBody)
	})
	t.Run("a Body that reads nothing", func(t *testing.T) {
		k := paying(t, token.PaymentConfig{Body: func([]byte) (token.Payment, error) { return token.Payment{}, nil }})
		k.pays("x", payDetails(`[`+payDetail+`,{"type":"payment_initiation"}]`)).refused(t, eIS, token.ErrDetailsPayment)
	})
	t.Run("a Body and a detail that name nobody", func(t *testing.T) {
		k := paying(t, token.PaymentConfig{Body: func([]byte) (token.Payment, error) { return token.Payment{Amount: "1", Currency: "EUR"}, nil }})
		k.pays("x", payDetails(`[{"type":"payment_initiation","instructedAmount":{"amount":"1","currency":"EUR"}}]`)).refused(t, eIS, token.ErrDetailsPayment)
	})
	if _, err := token.NewPaymentPolicy(token.PaymentConfig{Locations: []string{""}}); err == nil {
		t.Error("an empty location is taken")
	}
}

func TestPayOnce(t *testing.T) {
	store := func() replay.Store {
		return policyOf(replay.NewMemory(replay.MemoryConfig{Capacity: 64, DangerouslyNoStartGuard: true}))
	}
	t.Run("RAR-pay-once", func(t *testing.T) {
		k := paying(t, token.PaymentConfig{Once: store()})
		jti := claim("jti", `"J"`)
		k.pays(strings.Replace(payOrder, "123.5", "124", 1), jti, payDetails(`[`+payDetail+`]`)).refused(t, eIS, token.ErrDetailsPayment) // spends nothing
		k.pays(payOrder, jti, payDetails(`[`+payDetail+`]`)).ok(t)
		k.pays(payOrder, jti, payDetails(`[`+payDetail+`]`)).refused(t, eIS, token.ErrDetailsUsed)
		k.pays(payOrder, claim("jti", `"K"`), payDetails(`[`+payDetail+`]`)).ok(t)
	})
	t.Run("RAR-pay-once: two approvals of the same", func(t *testing.T) {
		k := paying(t, token.PaymentConfig{Once: store()})
		second := strings.Replace(payDetail, "{", `{"endToEndId":"2",`, 1)
		for range 2 {
			k.pays(payOrder, claim("jti", `"J"`), payDetails(`[`+payDetail+`,`+second+`]`)).ok(t)
		}
		k.pays(payOrder, claim("jti", `"J"`), payDetails(`[`+payDetail+`,`+second+`]`)).refused(t, eIS, token.ErrDetailsUsed)
		k.pays(payOrder, claim("jti", `"L"`), payDetails(`[`+payDetail+`,`+payDetail+`]`)).ok(t)
		k.pays(payOrder, claim("jti", `"L"`), payDetails(`[`+payDetail+`,`+payDetail+`]`)).refused(t, eIS, token.ErrDetailsUsed)
	})
	t.Run("RAR-pay-once: no jti", func(t *testing.T) {
		k := paying(t, token.PaymentConfig{Once: store()}, func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
				return &token.Claims{Issuer: rigIssuer, Client: "tpp-1", X5T: sum64(k.cert.Raw), Expires: time.Now().Add(time.Minute), Scope: []string{"payments"},
					JSON: `{"authorization_details":[` + payDetail + `]}`}, nil
			})
		})
		k.pays(payOrder).refused(t, eIS, token.ErrDetailsOnce)
	})
	t.Run("RAR-pay-once, OPS-fail-closed: an outage ends the search", func(t *testing.T) {
		calls := 0
		k := paying(t, token.PaymentConfig{Once: replay.StoreFunc(func(context.Context, replay.Use) error {
			if calls++; calls == 1 {
				return replay.ErrUnavailable
			}
			return nil
		})})
		k.pays(payOrder, payDetails(`[`+payDetail+`,`+strings.Replace(payDetail, "{", `{"n":1,`, 1)+`]`)).refused(t, e503, replay.ErrUnavailable)
	})
	for reason, want := range map[audit.Reason]struct {
		shape  shape
		reason audit.Reason
	}{
		replay.ErrTooOld: {eIS, token.ErrDetailsOnce}, replay.ErrFull: {e503, replay.ErrFull}, replay.ErrUnavailable: {e503, replay.ErrUnavailable}, "x": {e503, replay.ErrUnavailable},
	} {
		t.Run("RAR-pay-once, OPS-fail-closed: "+string(reason), func(t *testing.T) {
			var use replay.Use
			k := paying(t, token.PaymentConfig{Once: replay.StoreFunc(func(_ context.Context, u replay.Use) error {
				use = u
				return reason
			})})
			a := k.pays(payOrder, payDetails(`[`+payDetail+`,`+strings.Replace(payDetail, "{", `{"n":1,`, 1)+`]`))
			if a.status != want.shape.status || a.ran != 0 || a.records[0]["reason"] != string(want.reason) {
				t.Errorf("%d, %v", a.status, a.records)
			}
			if err := use.Check(time.Now()); err != nil || use.Owner != token.ClientName(rigIssuer, "tpp-1") {
				t.Errorf("%+v: %v", use, err)
			}
		})
	}
}

func TestParsePayment(t *testing.T) {
	p, err := token.ParsePayment([]byte(payOrder))
	if err != nil || p != (token.Payment{Amount: "123.5", Currency: "EUR", Creditor: payPayee}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, body := range []string{``, `{}`, `{"amount":"1","currency":"EUR"}`, `{"creditorAccount":"x","instructedAmount":{"amount":"1"}}`, `{"creditorAccount":"x","instructedAmount":{}}`,
		`{"creditorAccount":{},"amount":"1","currency":"EUR"}`, `{"creditorAccount":"x","amount":"","currency":"EUR"}`, "\xef\xbb\xbf" + payOrder} {
		if p, err := token.ParsePayment([]byte(body)); err == nil || p != (token.Payment{}) {
			t.Errorf("%s: %+v, %v", body, p, err)
		}
	}
}
