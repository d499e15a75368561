package service

import (
	"net/http"
	"slices"

	"github.com/tegata-go/tegata/audit"
)

// Account is one account. The example holds the same few for every customer.
type Account struct {
	ID       string `json:"id"`
	IBAN     string `json:"iban"`
	Owner    string `json:"owner"`
	Currency string `json:"currency"`
	Balance  string `json:"balance"`
}

// Transaction is one entry of an account's statement. Amounts are decimal strings: no number of JSON's is exact.
type Transaction struct {
	ID           string       `json:"id"`
	Booked       string       `json:"bookingDate"`
	Amount       string       `json:"amount"`
	Currency     string       `json:"currency"`
	Counterparty Counterparty `json:"counterparty"`
	Reference    string       `json:"reference"`
}

// Counterparty is who stands at the other end of a transaction.
type Counterparty struct {
	Name string `json:"name"`
	IBAN string `json:"iban"`
}

// Accounts gives the accounts of the example.
func Accounts() []Account {
	return []Account{
		{ID: "acc-1001", IBAN: "DE89370400440532013000", Owner: "Mio Tanaka", Currency: "EUR", Balance: "1520.75"},
		{ID: "acc-1002", IBAN: "GB29NWBK60161331926819", Owner: "Ada Okafor", Currency: "GBP", Balance: "88.10"},
	}
}

func transactionsOf(a Account) []Transaction {
	return []Transaction{
		{ID: a.ID + "-1", Booked: "2026-01-05", Amount: "-42.00", Currency: a.Currency, Reference: "invoice 77",
			Counterparty: Counterparty{Name: "Corner Books", IBAN: "FR1420041010050500013M02606"}},
		{ID: a.ID + "-2", Booked: "2026-01-07", Amount: "1200.00", Currency: a.Currency, Reference: "salary",
			Counterparty: Counterparty{Name: "Harbour Works", IBAN: "NL91ABNA0417164300"}},
	}
}

func find(id string) (Account, error) {
	all := Accounts()
	i := slices.IndexFunc(all, func(a Account) bool { return a.ID == id })
	if i < 0 {
		return Account{}, noAccount()
	}
	return all[i], nil
}

func (c Config) listAccounts() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		covers, err := c.agreed(r)
		if audit.Refused(w, r, err) {
			return
		}
		list := slices.DeleteFunc(Accounts(), func(a Account) bool { return !covers(a.ID) })
		writeJSON(w, map[string][]Account{"accounts": list})
	})
}

func showAccount(w http.ResponseWriter, r *http.Request) {
	a, err := find(r.PathValue("id"))
	if audit.Refused(w, r, err) {
		return
	}
	writeJSON(w, a)
}

func listTransactions(w http.ResponseWriter, r *http.Request) {
	a, err := find(r.PathValue("id"))
	if audit.Refused(w, r, err) {
		return
	}
	writeJSON(w, map[string][]Transaction{"transactions": transactionsOf(a)})
}
