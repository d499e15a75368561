package token

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/replay"
)

// PaymentConfig configures NewPaymentPolicy.
type PaymentConfig struct {
	_ [0]func()

	// Type of the details. Empty: "payment_initiation".
	Type string

	// Action must be among the actions of a detail that has any. Empty: "initiate".
	Action string

	// Locations are the names of this resource server: a detail that has locations must have one of these.
	Locations []string

	// Body reads what is to be paid. Nil: ParsePayment. WARNING: it must read the body as the handler does.
	Body func(body []byte) (Payment, error)

	// Also compares more of a detail with the request: the debtor, the creditor's name. Nil: nothing more.
	Also func(r *http.Request, d Detail, body []byte) bool

	// Once remembers that a detail was used, so that the customer's approval pays once: by issuer, jti and the
	// detail itself, until the token ends. A token without jti is then refused, and so is one of two details that are
	// the same to the letter. It is the last step before the handler: a payment that the handler refuses has used its
	// detail. WARNING: a refreshed token has another jti. Nil: details may be used again.
	Once replay.Store

	// Optional lets a token pass that has no details of Type. Malformed details are refused all the same.
	Optional bool
}

// NewPaymentPolicy makes a BodyPolicy that lets a payment pass only when the token's authorization_details name the
// same amount, currency and creditor (RFC 9396 §2; transaction authentication): instructedAmount {amount, currency}
// and creditorAccount, which is a text or an object with an iban. Amounts are compared as decimal numbers,
// everything else to the letter.
func NewPaymentPolicy(c PaymentConfig) (BodyPolicy, error) {
	if c.Type == "" {
		c.Type = "payment_initiation"
	}
	if c.Action == "" {
		c.Action = "initiate"
	}
	if c.Body == nil {
		c.Body = ParsePayment
	}
	c.Locations = slices.Clone(c.Locations)
	if slices.Contains(c.Locations, "") {
		return nil, errors.New("token: PaymentConfig.Locations has an empty name")
	}
	return func(r *http.Request, g Grant, body []byte) error {
		list, err := g.detailsOf(r.Context(), c.Type, c.Optional)
		if err != nil || len(list) == 0 {
			return err
		}
		ordered, err := c.Body(body)
		if err != nil {
			return g.refuse(ErrDetailsBody, err, "")
		}
		reason := ErrDetailsPayment
		for _, d := range list {
			if !c.covers(&d, ordered) || c.Also != nil && !c.Also(r, d, body) {
				continue
			}
			var cause error
			if reason, cause = c.once(r.Context(), g, d.JSON); reason == "" {
				return nil
			}
			if reason != ErrDetailsUsed {
				return g.refuse(reason, cause, "")
			}
		}
		return g.refuse(reason, nil, "")
	}, nil
}

func (c *PaymentConfig) covers(d *Detail, ordered Payment) bool {
	approved, err := readApproved(d.JSON)
	return err == nil && d.within(c.Locations) && (d.Actions == nil || slices.Contains(d.Actions, c.Action)) &&
		d.DataTypes == nil && d.Privileges == nil && d.Identifier == "" && approved.equal(ordered)
}

// once spends a detail.
func (c *PaymentConfig) once(ctx context.Context, g Grant, detail string) (audit.Reason, error) {
	if c.Once == nil {
		return "", nil
	}
	if g.ID() == "" {
		return ErrDetailsOnce, nil
	}
	err := c.Once.Use(ctx, replay.Use{
		Key:   replay.Digest("authorization details", g.Issuer(), g.ID(), jose.Sum(detail).String()),
		Owner: ClientName(g.Issuer(), g.Client()),
		Made:  g.Issued(),
		Until: g.Expires().Add(limitMaxSkew),
	})
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, replay.ErrUsed):
		return ErrDetailsUsed, nil
	case errors.Is(err, replay.ErrTooOld):
		return ErrDetailsOnce, nil // the store does not reach back to when the token was issued
	case errors.Is(err, replay.ErrFull):
		return replay.ErrFull, nil
	}
	return replay.ErrUnavailable, err
}
