package token_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"testing"

	"github.com/tegata-go/tegata/token"
)

var detailSeeds = []string{
	`[]`, `[{"type":"a"}]`, `[{"type":"a","actions":["x"],"locations":[],"datatypes":["d"],"privileges":["p"],"identifier":"i"}]`,
	`[{"type":"a"},{"type":"\u0062","x":{"type":1}}]`, `[{"type":"a","Actions":[]}]`, `[{"type":"a","type":"b"}]`, `{}`, `null`, `"[]"`, `[null]`, `[{"type":null}]`,
	`[{"type":""}]`, `[{"type":"a","actions":"x"}]`, `[{"type":"a","actions":[1]}]`, ` [ { "type" : "a" } ] `, `[{"type":"a"}]x`, `[{"type":"ſ","ſ":1}]`, `[` + payDetail + `]`,
}

// The law: what is accepted encoding/json reads in the same way, each object by itself is accepted with the same
// meaning, and what encoding/json writes of it again is, too.
func FuzzDetails(f *testing.F) {
	if len(detailSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range detailSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := token.ReadDetails(text)
		if err != nil {
			if list != nil {
				t.Error("details beside an error")
			}
			return
		}
		var theirs []struct {
			Type                                      *string
			Locations, Actions, DataTypes, Privileges []string
			Identifier                                string
		}
		if err := json.Unmarshal([]byte(text), &theirs); err != nil || len(theirs) != len(list) || len(list) > 64 {
			t.Fatalf("encoding/json: %v, %d, here %d", err, len(theirs), len(list))
		}
		for i, d := range list {
			o := theirs[i]
			if o.Type == nil || *o.Type != d.Type || d.Type == "" || !slices.Equal(o.Locations, d.Locations) || !slices.Equal(o.Actions, d.Actions) ||
				!slices.Equal(o.DataTypes, d.DataTypes) || !slices.Equal(o.Privileges, d.Privileges) || o.Identifier != d.Identifier ||
				(o.Actions == nil) != (d.Actions == nil) || (o.Locations == nil) != (d.Locations == nil) {
				t.Errorf("encoding/json reads %+v, this package %+v", o, d)
			}
			var compact bytes.Buffer
			must(json.Compact(&compact, []byte(d.JSON)))
			for _, again := range []string{d.JSON, compact.String()} {
				one, err := token.ReadDetails("[" + again + "]")
				if err != nil || len(one) != 1 || one[0].Type != d.Type || one[0].Identifier != d.Identifier || !slices.Equal(one[0].Actions, d.Actions) {
					t.Errorf("%s alone: %+v, %v", again, one, err)
				}
			}
		}
	})
}

var amountSeeds = [][2]string{
	{"10.0", "10.00"}, {"10", "10.00"}, {"0", "0.0"}, {"123.5", "123.50"}, {"1", "10"}, {"0.1", "0.01"}, {"", ""}, {".", "."}, {"1.", "1"}, {".5", "0.5"}, {"01", "1"},
	{"-1", "-1"}, {"+1", "1"}, {"1e2", "100"}, {"1,5", "1.5"}, {"1 ", "1"}, {"١", "1"}, {"999999999999999999.999999999999999999", "999999999999999999.999999999999999999"},
	{"9999999999999999999", "9999999999999999999"}, {"100000000000000.01", "100000000000000.012"}, {"0x1", "1"}, {"1_0", "10"}, {"Inf", "Inf"}, {"NaN", "NaN"},
}

var amountForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$`)

// The law: an amount is what the form says, and two amounts are the same exactly when math/big finds them equal.
func FuzzAmount(f *testing.F) {
	if len(amountSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range amountSeeds {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		okA, okB := amountForm.MatchString(a), amountForm.MatchString(b)
		if token.IsAmount(a) != okA || token.IsAmount(b) != okB {
			t.Errorf("%q or %q: an amount here, or there", a, b)
		}
		want := false
		if okA && okB {
			ratA, _ := new(big.Rat).SetString(a)
			ratB, _ := new(big.Rat).SetString(b)
			want = ratA.Cmp(ratB) == 0
		}
		if token.SameAmount(a, b) != want || token.SameAmount(b, a) != want || token.SameAmount(a, a) != okA {
			t.Errorf("%q and %q: want %v", a, b, want)
		}
	})
}

var paymentSeeds = []string{
	payOrder, payDetail, `{"creditorAccount":{"iban":"X","name":"B"},"amount":1.50,"currency":"JPY"}`, `{"amount":"1","Amount":"2","currency":"EUR","creditorAccount":"X"}`,
	`{"instructedAmount":{"amount":"1","currency":"EUR"},"amount":"2","currency":"EUR","creditorAccount":"X"}`, `{"amount":1e2,"currency":"EUR","creditorAccount":"X"}`,
	`{"creditorAccount":{"iban":"X","IBAN":"Y"},"amount":"1","currency":"EUR"}`, `[]`, `null`, "", `{"creditorAccount":"X","instructedAmount":{"amount":"1","currency":"EUR","Currency":"USD"}}`,
}

// The law: a payment that is read here is read in the same way by encoding/json, which folds the case of names and
// takes the last of two.
func FuzzPayment(f *testing.F) {
	if len(paymentSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range paymentSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := token.ParsePayment(body)
		if err != nil {
			if p != (token.Payment{}) {
				t.Error("a payment beside an error")
			}
			return
		}
		type money struct {
			Amount   json.RawMessage `json:"amount"`
			Currency *string         `json:"currency"`
		}
		var theirs struct {
			money
			Instructed      *money          `json:"instructedAmount"`
			CreditorAccount json.RawMessage `json:"creditorAccount"`
		}
		if err := json.Unmarshal(body, &theirs); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		m := theirs.money
		if theirs.Instructed != nil {
			if m.Amount != nil || m.Currency != nil {
				t.Fatal("two amounts")
			}
			m = *theirs.Instructed
		}
		amount, creditor := string(m.Amount), ""
		_ = json.Unmarshal(m.Amount, &amount)
		if json.Unmarshal(theirs.CreditorAccount, &creditor) != nil {
			var account struct {
				IBAN string `json:"iban"`
			}
			must(json.Unmarshal(theirs.CreditorAccount, &account))
			creditor = account.IBAN
		}
		if p.Amount != amount || !token.IsAmount(amount) || m.Currency == nil || p.Currency != *m.Currency || p.Creditor != creditor || creditor == "" {
			t.Errorf("encoding/json reads %q %v %q, this package %+v", amount, m.Currency, creditor, p)
		}
	})
}
