package service_test

import (
	"encoding/json"
	"testing"

	"github.com/tegata-go/tegata/examples/bank/service"
)

var seeds = []string{
	`{"debtorAccount":"acc-1001","creditorAccount":"DE02120300000000202051","creditorName":"N","amount":"1","currency":"EUR","reference":"r"}`,
	`{"amount":"1","amount":"2"}`, `{"Amount":"1"}`, `{"amount":{"amount":"1"}}`, `{"amount":"\ud800"}`, `{`, `[]`, `null`, `{"amount":"1"}{}`,
	"{\"amount\":\"\xff\"}", `{"amount":"1",}`, `{"\u0061mount":"1","amount":"2"}`,
}

// The law: what is accepted is valid JSON that encoding/json reads in the same way, and what that writes is
// accepted again with the same meaning.
func FuzzPayment(f *testing.F) {
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := service.ParsePayment(body)
		if err != nil {
			if p != (service.Payment{}) {
				t.Error("a payment beside an error")
			}
			return
		}
		var other service.Payment
		if err := json.Unmarshal(body, &other); err != nil || other != p {
			t.Errorf("encoding/json reads %+v (%v), this package %+v", other, err, p)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := service.ParsePayment(text); err != nil || again != p {
			t.Errorf("%s becomes %+v (%v)", text, again, err)
		}
		if service.ValidPayment(p) && (p.Amount == "" || p.Currency == "" || p.DebtorAccount == "") {
			t.Error("a valid payment without values")
		}
	})
}
