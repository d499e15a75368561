package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
)

const (
	detailsClaim = "authorization_details"
	maxDetails   = 64
)

// Detail is one object of authorization_details with the common fields of RFC 9396 §2.2. An absent list is nil.
//
// WARNING: details are personal data (RFC 9396 §13): never log them.
type Detail struct {
	Type       string
	Locations  []string
	Actions    []string
	DataTypes  []string
	Privileges []string
	Identifier string

	JSON string // the whole object, exactly as it was issued
}

// LogValue tells nothing but the type.
func (d Detail) LogValue() slog.Value { return slog.StringValue(d.Type) }

// Details are the token's authorization_details (RFC 9396 §9.1), none when it has none. A claim that is anything
// but an array of objects that each have a type, with common fields of their own types, is ErrDetailsMalformed and
// grants nothing.
func (g Grant) Details() ([]Detail, error) {
	json, ok := g.Claim(detailsClaim)
	if !ok {
		return nil, nil
	}
	return readDetails(json)
}

func readDetails(json string) (list []Detail, err error) {
	err = strictjson.Elements(json, func(element string) error {
		d, err := readDetail(element)
		list = append(list, d)
		if len(list) > maxDetails {
			return ErrDetailsMalformed
		}
		return err
	})
	if err != nil {
		return nil, ErrDetailsMalformed
	}
	return list, nil
}

var detailNames = []string{"type", "locations", "actions", "datatypes", "privileges", "identifier"}

func readDetail(json string) (Detail, error) {
	d := Detail{JSON: json}
	err := strictjson.Members(json, func(name, value string) (err error) {
		switch name {
		case "type":
			d.Type, err = nonEmpty(value)
		case "locations":
			d.Locations, err = present(value)
		case "actions":
			d.Actions, err = present(value)
		case "datatypes":
			d.DataTypes, err = present(value)
		case "privileges":
			d.Privileges, err = present(value)
		case "identifier":
			d.Identifier, err = nonEmpty(value)
		default:
			err = jose.CaseVariant(name, detailNames)
		}
		return err
	})
	if err == nil && d.Type == "" {
		err = ErrDetailsMalformed
	}
	return d, err
}

// present reads an array of strings that is not nil even when it is empty.
func present(value string) ([]string, error) {
	list, err := stringsOf(value)
	if list == nil {
		list = []string{}
	}
	return list, err
}

// DetailsConfig configures NewDetailsPolicy: what a route asks of authorization_details.
type DetailsConfig struct {
	_ [0]func()

	// Type is compared exactly. Required.
	Type string

	// Locations are the names of this resource server: a detail that has locations must have one of these.
	Locations []string

	// Actions, DataTypes and Privileges must all be in the detail. A detail that has the field while the route asks
	// nothing of it does not cover the route: nobody has compared it.
	Actions, DataTypes, Privileges []string

	// Identifier gives the resource that the request is about: PathValue. It must be the detail's identifier. Nil: as
	// for the lists, a detail that has an identifier does not cover the route.
	Identifier func(*http.Request) string

	// Optional lets a token pass that has no details of Type. Malformed details are refused all the same.
	Optional bool
}

// NewDetailsPolicy makes a Policy that demands one object in authorization_details which covers the request by
// itself (RFC 9396 §2.2), or reports every mistake in c. Details of other types have no effect. The record gets a
// digest of the details.
func NewDetailsPolicy(c DetailsConfig) (Policy, error) {
	c.Locations, c.Actions = slices.Clone(c.Locations), slices.Clone(c.Actions)
	c.DataTypes, c.Privileges = slices.Clone(c.DataTypes), slices.Clone(c.Privileges)
	var all []error
	if c.Type == "" {
		all = append(all, errors.New("token: DetailsConfig.Type is required"))
	}
	for _, list := range [][]string{c.Locations, c.Actions, c.DataTypes, c.Privileges} {
		if slices.Contains(list, "") {
			all = append(all, fmt.Errorf("token: DetailsConfig: an empty name in %q", list))
		}
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return func(r *http.Request, g Grant) error {
		list, err := g.detailsOf(r.Context(), c.Type, c.Optional)
		if err != nil || len(list) == 0 {
			return err
		}
		var identifier string
		if c.Identifier != nil {
			if identifier = c.Identifier(r); identifier == "" {
				return g.refuse(ErrDetails, nil, "")
			}
		}
		for _, d := range list {
			if d.within(c.Locations) && named(d.Actions, c.Actions) && named(d.DataTypes, c.DataTypes) &&
				named(d.Privileges, c.Privileges) && d.Identifier == identifier {
				return nil
			}
		}
		return g.refuse(ErrDetails, nil, "")
	}, nil
}

// detailsOf gives the details of one type, or the refusal of a token that has none: none and nil when that is
// allowed.
func (g Grant) detailsOf(ctx context.Context, kind string, optional bool) ([]Detail, error) {
	json, has := g.Claim(detailsClaim)
	if !has {
		if optional && g.by != nil {
			return nil, nil
		}
		return nil, g.refuse(ErrDetailsMissing, nil, "")
	}
	audit.Add(ctx, slog.String("authorization_details", jose.Sum(json).String()))
	list, err := readDetails(json)
	if err != nil {
		return nil, g.refuse(ErrDetailsMalformed, nil, "")
	}
	list = slices.DeleteFunc(list, func(d Detail) bool { return d.Type != kind })
	if len(list) == 0 && !optional {
		return nil, g.refuse(ErrDetailsMissing, nil, "")
	}
	return list, nil
}

// within is true for a detail that is not limited to other locations.
func (d *Detail) within(ours []string) bool {
	return d.Locations == nil || slices.ContainsFunc(d.Locations, func(l string) bool { return slices.Contains(ours, l) })
}

// named is true when everything asked is there, or when neither side speaks of it.
func named(have, asked []string) bool {
	if len(asked) == 0 {
		return have == nil
	}
	return !slices.ContainsFunc(asked, func(a string) bool { return !slices.Contains(have, a) })
}
