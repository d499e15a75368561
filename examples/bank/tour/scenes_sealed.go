package tour

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tegata-go/tegata/encrypt"
	"github.com/tegata-go/tegata/examples/bank/service"
)

// sealedList is the list of accounts as the app reads it.
type sealedList struct {
	Accounts []service.Account `json:"accounts"`
}

// opens opens the list with a keyring, as the app does.
func opens(keys *encrypt.Keyring, body string) (sealedList, error) {
	var list sealedList
	fields, err := encrypt.New(encrypt.Config{Keys: keys, Open: []string{"/accounts/*/iban", "/accounts/*/owner"}})
	if err != nil {
		return list, err
	}
	opened, err := fields.OpenJSON(context.Background(), nil, []byte(body), encrypt.Binding{})
	if err != nil {
		return list, err
	}
	return list, json.Unmarshal(opened, &list)
}

// seals seals the creditor's account of a payment, as the app does.
func seals(keys *encrypt.Keyring) (string, error) {
	fields, err := encrypt.New(encrypt.Config{Keys: keys, Seal: []string{"/creditorAccount"}})
	if err != nil {
		return "", err
	}
	sealed, err := fields.SealJSON(context.Background(), nil, []byte(payment), encrypt.Binding{})
	return string(sealed), err
}

// creditorOf gives the creditor's account in a payment as it stands there.
func creditorOf(order string) string {
	var p service.Payment
	_ = json.Unmarshal([]byte(order), &p) // of our own making
	return p.CreditorAccount
}

// pays sends a payment to the bank that opens sealed fields.
func (w *world) pays(order string, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	return w.sealing.do(call{method: "POST", path: "/payments", token: w.byCertificate(nil), cert: &w.app.cert, json: order})
}

func sealedFields() []scene {
	return []scene{{
		"a sealed account number",
		"This bank seals account numbers for the app, so that proxies, logs and curious colleagues on the way see noise.",
		func(w *world) []step {
			a := w.sealing.do(call{token: w.byCertificate(nil), cert: &w.app.cert})
			iban := service.Accounts()[0].IBAN
			asked := told("GET /accounts with token and certificate", a, want{status: 200}).
				also(!strings.Contains(a.body, iban), "an answer without account numbers in clear")
			owner, errOwner := opens(w.keyring, a.body)
			_, errOther := opens(w.foreign, a.body)
			own := step{tried: "opening the answer with the app's key", came: fmt.Sprint("not opened: ", errOwner)}.
				also(errOwner == nil && owner.Accounts[0].IBAN == iban, "the account number")
			if errOwner == nil {
				own.came = "account number " + owner.Accounts[0].IBAN
			}
			return []step{asked, own,
				step{tried: "opening the answer with another key", came: fmt.Sprint("not opened: ", errOther)}.
					also(errors.Is(errOther, encrypt.ErrOpen), "not opened")}
		},
	}, {
		"a sealed payment",
		"The app seals the payee's account number; the bank opens it and pays.",
		func(w *world) []step {
			order, err := seals(w.keyring)
			return []step{told("POST /payments with a sealed creditorAccount", w.pays(order, err), want{status: 201}).
				also(!strings.Contains(order, creditorOf(payment)), "an order without the account number in clear")}
		},
	}, {
		"a sealed field moved",
		"The thief cannot read a sealed number, but moves one that the bank has sealed elsewhere into a payment, to be paid himself.",
		func(w *world) []step {
			a := w.sealing.do(call{token: w.byCertificate(nil), cert: &w.app.cert})
			var list sealedList
			err := json.Unmarshal([]byte(a.body), &list)
			if err != nil || len(list.Accounts) == 0 {
				return []step{told("GET /accounts with token and certificate", a, want{status: 200}).also(false, "a list of accounts")}
			}
			order := strings.Replace(payment, creditorOf(payment), list.Accounts[0].IBAN, 1)
			return []step{told("POST /payments with the sealed /accounts/*/iban as creditorAccount", w.pays(order, nil),
				want{status: 400, reason: encrypt.ErrOpen})}
		},
	}, {
		"a sealed field changed",
		"The thief changes one letter of a sealed number, in the hope that it becomes another number.",
		func(w *world) []step {
			order, err := seals(w.keyring)
			sealed := creditorOf(order)
			changed := strings.Replace(order, sealed, tampered(sealed), 1)
			return []step{told("POST /payments with one letter of the sealed creditorAccount changed", w.pays(changed, err),
				want{status: 400, reason: encrypt.ErrOpen})}
		},
	}, {
		"a rotated key",
		"The bank seals with a new key from today on; what the app has sealed under the old one still opens.",
		(*world).rotates,
	}}
}

// rotates opens a bank that has a new key before the old one.
func (w *world) rotates() []step {
	older, newer := newKey("2026-01"), newKey("2026-02")
	before, errBefore := keyringOf(older)
	both, errBoth := keyringOf(newer, older)
	after, errAfter := keyringOf(newer)
	rotated, errBank := w.open(func(c *service.Config) { c.Keyring = both })
	if err := errors.Join(errBefore, errBoth, errAfter, errBank); err != nil {
		return []step{step{tried: "opening a bank with two keys", came: fmt.Sprint(err)}.also(false, "a bank")}
	}
	order, errOrder := seals(before)
	paid := answer{err: errOrder}
	if errOrder == nil {
		paid = rotated.do(call{method: "POST", path: "/payments", token: w.byCertificate(nil), cert: &w.app.cert, json: order})
	}
	a := rotated.do(call{token: w.byCertificate(nil), cert: &w.app.cert})
	list, errNew := opens(after, a.body)
	_, errOld := opens(before, a.body)
	opened := step{tried: "opening its answer with the new key", came: fmt.Sprint("not opened: ", errNew)}
	if errNew == nil && len(list.Accounts) > 0 {
		opened.came = "account number " + list.Accounts[0].IBAN
	}
	return []step{
		told("POST /payments, sealed with the old key", paid, want{status: 201}),
		opened.also(errNew == nil && len(list.Accounts) > 0 && list.Accounts[0].IBAN == service.Accounts()[0].IBAN, "the account number"),
		step{tried: "opening its answer with the old key", came: fmt.Sprint("not opened: ", errOld)}.also(errors.Is(errOld, encrypt.ErrOpen), "not opened"),
	}
}

func newKey(id string) encrypt.Key {
	secret := make(encrypt.Secret, 32)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the process instead
	return encrypt.Key{ID: id, Secret: secret}
}

func keyringOf(keys ...encrypt.Key) (*encrypt.Keyring, error) {
	return encrypt.NewKeyring(encrypt.KeyringConfig{Keys: keys})
}

// tampered changes one letter of the ciphertext, the fourth of the five parts of a compact JWE (RFC 7516 §3.1).
func tampered(sealed string) string {
	parts := strings.Split(sealed, ".")
	if len(parts) != 5 || parts[3] == "" {
		return sealed
	}
	letter := "A"
	if parts[3][0] == 'A' {
		letter = "B"
	}
	parts[3] = letter + parts[3][1:]
	return strings.Join(parts, ".")
}
