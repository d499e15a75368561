package service

import (
	"errors"
	"net/http"

	"github.com/tegata-go/tegata/encrypt"
	"github.com/tegata-go/tegata/token"
)

// routes puts each handler behind the scope that it needs. What is not here is 404, or 405 for another method.
func routes(c Config) (*http.ServeMux, error) {
	list, errList := c.sealed(encrypt.Config{Seal: []string{"/accounts/*/iban", "/accounts/*/owner"}})
	single, errOne := c.sealed(encrypt.Config{Seal: []string{"/iban", "/owner", "/transactions/*/counterparty/iban"}})
	order, errOrder := c.sealed(encrypt.Config{Open: []string{"/creditorAccount"}})
	agreed, errAgreed := agreements(c)
	here := []string{c.Origin, c.Audience, c.Origin + "/payments"} // the server or the resource (RFC 9396 §2.2)
	approved, errApproved := token.NewPaymentPolicy(token.PaymentConfig{Optional: true, Locations: here, Body: approvable})
	once, errOnce := c.once()
	if err := errors.Join(errList, errOne, errOrder, errAgreed, errApproved, errOnce); err != nil {
		return nil, err
	}
	read := func(account func(*http.Request) string) func(http.Handler) http.Handler {
		return token.Require(token.All(token.Scope("accounts"), agreed("accounts", account)))
	}
	pay := token.Require(token.All(token.Scope("payments"), agreed("payments", nil)))
	payHigh := token.Require(token.All(token.Scope("payments"), agreed("payments", nil), highValue))
	one := func(h http.HandlerFunc) http.Handler { return read(token.PathValue("id"))(single(h)) }
	payment := order(once(c.orderPayment(approved))) // compared as opened: it is sealed anew with every attempt

	mux := http.NewServeMux()
	mux.Handle("GET /accounts", read(nil)(list(c.listAccounts())))
	mux.Handle("GET /accounts/{id}", one(showAccount))
	mux.Handle("GET /accounts/{id}/transactions", one(listTransactions))
	mux.Handle("POST /payments", pay(payment))
	mux.Handle("POST /payments/high-value", payHigh(payment))
	mux.Handle("POST /echo", token.Require(agreed("", nil))(http.HandlerFunc(echo)))
	return mux, nil
}
