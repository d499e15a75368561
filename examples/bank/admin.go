package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// admin is the bank's own side: it takes tokens and consents back. It listens on loopback and asks nobody who they are.
type admin struct {
	issuers     []issuer
	revocations revocations
	consents    *token.MemoryConsents
	ready       func() error
}

const (
	maxAdmin = 64 << 10
	// longest is how long a revocation is remembered: longer than any token lives, whatever the profile.
	longest = 25 * time.Hour
)

// serve answers on address until ctx ends.
func (a *admin) serve(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: a.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go server.Serve(listener) //nolint:errcheck // it ends with ctx
	return nil
}

func (a *admin) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.ready(); err != nil {
			audit.Refused(w, r, outage(errNotReady, err))
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("POST /revocations", a.done(a.revoke))
	mux.HandleFunc("PUT /consents/{id}", a.done(a.agree))
	return ownTools(audit.NotFound(mux))
}

// ownTools keeps pages out that a browser on this machine shows: they can send here, and say so by an Origin.
func ownTools(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, page := r.Header["Origin"]; page {
			audit.Refused(w, r, &audit.Refusal{Reason: errPage, Status: http.StatusForbidden, Detail: "not for web pages"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

const (
	errPage     = audit.Reason("bank: the administration is called by a web page")
	errNotReady = audit.Reason("bank: not ready")
	errOrder    = audit.Reason("bank: not an order of the administration")
	errUndone   = audit.Reason("bank: order not done")
)

// outage tells the administration to try again: the order may be right, and its doing is not known.
func outage(reason audit.Reason, cause error) error {
	return &audit.Refusal{Reason: reason, Cause: cause, Status: http.StatusServiceUnavailable, Detail: "not possible now: try again",
		Header: http.Header{"Retry-After": {"5"}}}
}

// done reads the body, has it done, and says so with 204.
func (a *admin) done(do func(r *http.Request, body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAdmin))
		if err == nil {
			err = do(r, body)
		}
		if errors.Is(err, replay.ErrUnavailable) || errors.Is(err, replay.ErrFull) {
			audit.Refused(w, r, outage(errUndone, err))
			return
		}
		if err != nil {
			audit.Refused(w, r, &audit.Refusal{Reason: errOrder, Cause: err, Status: http.StatusBadRequest, Detail: "the order cannot be read or done"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// instant reads RFC 3339 or seconds since 1970.
type instant struct{ time.Time }

// UnmarshalJSON is for encoding/json.
func (i *instant) UnmarshalJSON(b []byte) error {
	var seconds int64
	if json.Unmarshal(b, &seconds) == nil {
		i.Time = time.Unix(seconds, 0)
		return nil
	}
	return json.Unmarshal(b, &i.Time)
}

// readOrder takes what the contract names and nothing else: what would be passed over would not be done.
func readOrder(body []byte, order any) error {
	if err := strictjson.Valid(string(body)); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(order)
}

var errThumbprint = errors.New("bank: jkt and x5t are the 43 characters of a SHA-256 value in base64url")

var errOne = errors.New("bank: exactly one of jti, sub, client_id, jkt, x5t and issued_before")

// revoke takes back what the body names.
func (a *admin) revoke(r *http.Request, body []byte) error {
	var order struct {
		Issuer string  `json:"issuer"`
		JTI    string  `json:"jti"`
		Sub    string  `json:"sub"`
		Client string  `json:"client_id"`
		JKT    string  `json:"jkt"`
		X5T    string  `json:"x5t"`
		Before instant `json:"issued_before"`
	}
	if err := readOrder(body, &order); err != nil {
		return err
	}
	for _, thumbprint := range []string{order.JKT, order.X5T} {
		if _, ok := jose.ParseDigest(thumbprint); thumbprint != "" && !ok {
			return errThumbprint // it would be the name of nothing
		}
	}
	name, err := a.issuer(order.Issuer)
	if err != nil && order.JKT == "" && order.X5T == "" {
		return err
	}
	var names []replay.Key
	for _, n := range []struct {
		value string
		key   replay.Key
	}{
		{order.JTI, token.IDName(name, order.JTI)}, {order.Sub, token.SubjectName(name, order.Sub)},
		{order.Client, token.ClientName(name, order.Client)}, {order.JKT, token.ProofKeyName(order.JKT)}, {order.X5T, token.CertificateName(order.X5T)},
	} {
		if n.value != "" {
			names = append(names, n.key)
		}
	}
	until := time.Now().Add(longest)
	switch {
	case len(names) == 1 && order.Before.IsZero():
		return a.revocations.Revoke(r.Context(), names[0], until)
	case len(names) == 0 && !order.Before.IsZero():
		return a.revocations.RevokeBefore(r.Context(), token.IssuerName(name), order.Before.Time, until)
	}
	return errOne
}

// issuer is the one that is meant: it may be left out when there is only one.
func (a *admin) issuer(name string) (string, error) {
	if name == "" && len(a.issuers) == 1 {
		return a.issuers[0].name, nil
	}
	for _, i := range a.issuers {
		if i.name == name {
			return name, nil
		}
	}
	return "", errors.New("bank: issuer is missing or unknown")
}

// agree keeps what a customer agreed to, under every issuer: the contract's path names none.
func (a *admin) agree(r *http.Request, body []byte) error {
	var consent struct {
		Status      string   `json:"status"`
		Permissions []string `json:"permissions"`
		Accounts    []string `json:"accounts"`
		Expires     instant  `json:"expires"`
	}
	if err := readOrder(body, &consent); err != nil {
		return err
	}
	for _, i := range a.issuers {
		err := a.consents.Put(i.name, r.PathValue("id"), token.Consent{
			Status: consent.Status, Permissions: consent.Permissions, Accounts: consent.Accounts, Expires: consent.Expires.Time,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
