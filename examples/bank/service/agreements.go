package service

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

// permissions are the names under which a consent permits a scope: the scope's own, and those of Open Banking UK and
// Open Finance Brasil.
var permissions = map[string][]string{
	"accounts": {"accounts", "ReadAccountsBasic", "ReadAccountsDetail", "ReadTransactionsBasic", "ReadTransactionsDetail", "ACCOUNTS_READ"},
	"payments": {"payments"},
}

// agreements gives the policy that holds a token which names a consent to it: for one scope, or none, and, where the
// route is about one, an account.
func agreements(c Config) (func(scope string, account func(*http.Request) string) token.Policy, error) {
	policyFor := func(scope string, account func(*http.Request) string) (token.Policy, error) {
		return token.NewConsentPolicy(token.ConsentConfig{
			Consents: c.Consents, Permissions: permissions[scope], AnyPermission: scope == "", Account: account, Optional: true,
		})
	}
	if _, err := policyFor("accounts", nil); err != nil {
		return nil, err
	}
	return func(scope string, account func(*http.Request) string) token.Policy {
		policy, err := policyFor(scope, account)
		if err != nil {
			return func(*http.Request, token.Grant) error { return err } // no scope of this bank's: refuse
		}
		return policy
	}, nil
}

// highValue is what large payments need: strong customer authentication, and lately (RFC 9470).
var highValue = token.StepUp(token.StepUpConfig{ACR: []string{"urn:bank:acr:sca"}, MaxAge: 300 * time.Second})

// agreed gives the accounts that the caller may see: all, or those of the consent that the token names.
func (c Config) agreed(r *http.Request) (covers func(account string) bool, err error) {
	g, err := token.FromContext(r.Context())
	claim, named := g.Claim("consent_id")
	if err != nil || !named {
		return func(string) bool { return true }, nil //nolint:nilerr // what was waived outside is not refused here
	}
	var id string
	if err := json.Unmarshal([]byte(claim), &id); err != nil {
		return nil, notAgreed(err)
	}
	consent, err := c.Consents.Consent(r.Context(), g.Issuer(), id)
	if err != nil {
		return nil, notAgreed(err)
	}
	return func(account string) bool { return slices.Contains(consent.Accounts, account) }, nil
}

// approvable reads of a payment what the customer approved.
func approvable(body []byte) (token.Payment, error) {
	p, err := parsePayment(body)
	if err != nil {
		return token.Payment{}, errors.New("bank: not a payment")
	}
	return token.Payment{Amount: p.Amount, Currency: p.Currency, Creditor: p.CreditorAccount}, nil
}

// ErrAgreement is the reason for an account that the consent does not cover.
const ErrAgreement = audit.Reason("bank: account outside the consent")

func notAgreed(cause error) error {
	return &audit.Refusal{Reason: ErrAgreement, Cause: cause, Status: http.StatusForbidden, Code: "insufficient_scope",
		Detail: "the customer's consent does not cover this account"}
}
