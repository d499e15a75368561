package token

import (
	"errors"
	"slices"
	"strings"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
)

// Payment is what a customer approves: how much, and to whom.
type Payment struct {
	Amount   string // a decimal number without sign, exponent or leading zeros: "10.00"
	Currency string // ISO 4217
	Creditor string // the account, as it is written
}

var errPayment = errors.New("token: not a payment")

// equal compares amounts as numbers and the rest to the letter. What is empty equals nothing.
func (p Payment) equal(other Payment) bool {
	return sameAmount(p.Amount, other.Amount) && p.Currency != "" && p.Currency == other.Currency &&
		p.Creditor != "" && p.Creditor == other.Creditor
}

// ParsePayment reads a payment from a JSON object with creditorAccount, which is a text or an object with an iban,
// and either amount and currency or instructedAmount {amount, currency}. Amounts are texts or numbers. Other members
// are left alone. It refuses whatever two readers could read differently: members that stand twice, names in
// another case, and both forms of the amount at once.
func ParsePayment(body []byte) (Payment, error) {
	flat, nested, err := readPayment(string(body), bodyAccount)
	switch {
	case err != nil:
		return Payment{}, err
	case flat.Amount == "" && flat.Currency == "":
		flat.Amount, flat.Currency = nested.Amount, nested.Currency
	case nested != Payment{}:
		return Payment{}, errPayment
	}
	if flat.Amount == "" || flat.Currency == "" || flat.Creditor == "" {
		return Payment{}, errPayment
	}
	return flat, nil
}

// readApproved reads the same from a detail, whose amount stands in instructedAmount only.
func readApproved(detail string) (Payment, error) {
	flat, approved, err := readPayment(detail, detailAccount)
	if err != nil || flat.Amount != "" || flat.Currency != "" {
		return Payment{}, errPayment
	}
	approved.Creditor = flat.Creditor
	return approved, nil
}

var (
	paymentNames = []string{"amount", "currency", "instructedAmount", "creditorAccount"}

	// What may stand beside an iban. A bic in a body would be one that nobody has approved.
	bodyAccount   = []string{"currency", "name"}
	detailAccount = []string{"currency", "name", "bic"}
)

func readPayment(json string, beside []string) (flat, nested Payment, err error) {
	err = strictjson.Members(json, func(name, value string) (err error) {
		switch name {
		case "amount":
			flat.Amount, err = amountText(value)
		case "currency":
			flat.Currency, err = nonEmpty(value)
		case "instructedAmount":
			nested, err = readAmount(value)
		case "creditorAccount":
			flat.Creditor, err = readAccount(value, beside)
		default:
			err = jose.CaseVariant(name, paymentNames)
		}
		return err
	})
	if err != nil {
		return Payment{}, Payment{}, errPayment
	}
	return flat, nested, nil
}

func readAmount(json string) (p Payment, err error) {
	err = strictjson.Members(json, func(name, value string) (err error) {
		switch name {
		case "amount":
			p.Amount, err = amountText(value)
		case "currency":
			p.Currency, err = nonEmpty(value)
		default:
			err = jose.CaseVariant(name, paymentNames[:2])
		}
		return err
	})
	if err == nil && (p.Amount == "" || p.Currency == "") {
		err = errPayment
	}
	return p, err
}

// readAccount reads a text, or an object with an iban and nothing that could name another account.
func readAccount(json string, beside []string) (iban string, err error) {
	if iban, err = nonEmpty(json); err == nil {
		return iban, nil
	}
	err = strictjson.Members(json, func(name, value string) (err error) {
		switch {
		case name == "iban":
			iban, err = nonEmpty(value)
		case !slices.Contains(beside, name):
			err = errPayment
		}
		return err
	})
	if err == nil && iban == "" {
		err = errPayment
	}
	return iban, err
}

// amountText reads an amount that is a text or a number.
func amountText(value string) (string, error) {
	if strings.HasPrefix(value, `"`) {
		value, _ = strictjson.String(value)
	}
	if _, _, ok := decimal(value); !ok {
		return "", errPayment
	}
	return value, nil
}

// sameAmount compares two decimal numbers exactly: "10", "10.0" and "10.00" are the same. What is no such number
// equals nothing.
func sameAmount(a, b string) bool {
	wholeA, fractionA, okA := decimal(a)
	wholeB, fractionB, okB := decimal(b)
	return okA && okB && wholeA == wholeB && fractionA == fractionB
}

const maxDigits = 18 // on each side of the point

// decimal takes a decimal number apart; the fraction has no trailing zeros.
func decimal(s string) (whole, fraction string, ok bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if !isDigits(whole) || len(whole) > 1 && whole[0] == '0' || point && !isDigits(fraction) {
		return "", "", false
	}
	return whole, strings.TrimRight(fraction, "0"), true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= maxDigits
}
