package service

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

const maxPayment = 64 << 10

// Payment is an order to pay. All members are required.
type Payment struct {
	DebtorAccount   string `json:"debtorAccount"`   // the id of an account
	CreditorAccount string `json:"creditorAccount"` // an IBAN
	CreditorName    string `json:"creditorName"`
	Amount          string `json:"amount"`   // decimal, at most two decimals, more than zero
	Currency        string `json:"currency"` // ISO 4217
	Reference       string `json:"reference"`
}

// accepted is what the client is told of a payment that was taken.
type accepted struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// orderPayment takes a payment that the token and the consent cover.
func (c Config) orderPayment(approved token.BodyPolicy) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, body, err := readPayment(r)
		if err == nil {
			err = c.allowed(r, approved, p, body)
		}
		if audit.Refused(w, r, err) {
			return
		}
		id := rand.Text()
		writeCreated(w, "/payments/"+id, accepted{ID: id, Status: "accepted"})
	})
}

// allowed compares the payment with what the customer approved: with the token's authorization_details, and with the
// accounts of the consent.
func (c Config) allowed(r *http.Request, approved token.BodyPolicy, p Payment, body []byte) error {
	g, err := token.FromContext(r.Context())
	if err != nil {
		return err
	}
	if err := approved(r, g, body); err != nil {
		return err
	}
	covers, err := c.agreed(r)
	if err == nil && !covers(p.DebtorAccount) {
		err = notAgreed(nil)
	}
	return err
}

// readPayment judges media type, text, members and values, in this order.
func readPayment(r *http.Request) (Payment, []byte, error) {
	if r.Header.Get("Content-Encoding") != "" {
		return Payment{}, nil, coded()
	}
	if !isJSON(r.Header.Values("Content-Type")) {
		return Payment{}, nil, notJSON()
	}
	body, err := readBody(r, maxPayment)
	if err != nil {
		return Payment{}, nil, err
	}
	p, err := parsePayment(body)
	if err != nil {
		return Payment{}, nil, err
	}
	if !p.valid() {
		return Payment{}, nil, noPayment()
	}
	if _, err := find(p.DebtorAccount); err != nil {
		return Payment{}, nil, noDebtor()
	}
	return p, body, nil
}

func isJSON(field []string) bool {
	if len(field) != 1 {
		return false
	}
	kind, parameters, err := mime.ParseMediaType(field[0])
	charset, given := parameters["charset"]
	return err == nil && kind == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}

// parsePayment reads a flat object of strings. json.Unmarshal alone would fold the case of names, take the last
// of two members with one name, and repair what is not UTF-8: a payment must mean one thing to everybody.
func parsePayment(body []byte) (Payment, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return Payment{}, malformed()
	}
	var p Payment
	members := map[string]*string{
		"debtorAccount": &p.DebtorAccount, "creditorAccount": &p.CreditorAccount, "creditorName": &p.CreditorName,
		"amount": &p.Amount, "currency": &p.Currency, "reference": &p.Reference,
	}
	seen := make(map[string]bool)
	d := json.NewDecoder(bytes.NewReader(body))
	if open, _ := d.Token(); open != json.Delim('{') {
		return Payment{}, noPayment()
	}
	for d.More() {
		key, _ := d.Token() // the text is valid, so there is no error
		name, _ := key.(string)
		value, _ := d.Token()
		text, isText := value.(string)
		switch member := members[name]; {
		case seen[name]:
			return Payment{}, malformed()
		case member == nil || !isText:
			return Payment{}, noPayment()
		default:
			seen[name], *member = true, text
		}
	}
	return p, nil
}

var (
	decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$`)
	iban    = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$`) // ISO 13616-1, electronic form
	iso4217 = regexp.MustCompile(`^[A-Z]{3}$`)
)

func (p *Payment) valid() bool {
	return isText(p.DebtorAccount, 64) &&
		iban.MatchString(p.CreditorAccount) &&
		isText(p.CreditorName, 140) &&
		decimal.MatchString(p.Amount) && strings.Trim(p.Amount, "0.") != "" &&
		iso4217.MatchString(p.Currency) &&
		isText(p.Reference, 140)
}

// isText is true for 1 to limit characters that can be printed. U+FFFD stands where a reader has repaired
// something.
func isText(s string, limit int) bool {
	n := utf8.RuneCountInString(s)
	return n > 0 && n <= limit && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}
