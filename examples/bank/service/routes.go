package service

import (
	"errors"
	"net/http"

	"github.com/tegata-go/tegata/encrypt"
	"github.com/tegata-go/tegata/token"
)

// routes puts each handler behind the scope that it needs. What is not here is 404, or 405 for another method.
func routes(keys *encrypt.Keyring) (*http.ServeMux, error) {
	list, errList := sealed(keys, encrypt.Config{Seal: []string{"/accounts/*/iban", "/accounts/*/owner"}})
	one, errOne := sealed(keys, encrypt.Config{Seal: []string{"/iban", "/owner", "/transactions/*/counterparty/iban"}})
	order, errOrder := sealed(keys, encrypt.Config{Open: []string{"/creditorAccount"}})
	if err := errors.Join(errList, errOne, errOrder); err != nil {
		return nil, err
	}
	read := token.Require(token.Scope("accounts"))
	pay := token.Require(token.Scope("payments"))

	mux := http.NewServeMux()
	mux.Handle("GET /accounts", read(list(http.HandlerFunc(listAccounts))))
	mux.Handle("GET /accounts/{id}", read(one(http.HandlerFunc(showAccount))))
	mux.Handle("GET /accounts/{id}/transactions", read(one(http.HandlerFunc(listTransactions))))
	mux.Handle("POST /payments", pay(order(http.HandlerFunc(orderPayment))))
	mux.Handle("POST /echo", http.HandlerFunc(echo))
	return mux, nil
}

// sealed gives the layer that seals and opens the fields in c, or one that does nothing without keys.
func sealed(keys *encrypt.Keyring, c encrypt.Config) (func(http.Handler) http.Handler, error) {
	if keys == nil {
		return func(next http.Handler) http.Handler { return next }, nil
	}
	c.Keyring = keys
	fields, err := encrypt.New(c)
	if err != nil {
		return nil, err
	}
	return fields.Wrap, nil
}
