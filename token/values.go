package token

import (
	"strconv"
	"strings"
	"time"

	"github.com/tegata-go/tegata/internal/strictjson"
)

// nonEmpty reads a JSON string that says something; null, another type and "" are ErrClaims.
func nonEmpty(value string) (string, error) {
	s, err := strictjson.String(value)
	if err != nil || s == "" {
		return "", ErrClaims
	}
	return s, nil
}

// stringsOf reads an array of non-empty strings.
func stringsOf(value string) ([]string, error) {
	var list []string
	err := strictjson.Elements(value, func(element string) error {
		s, err := nonEmpty(element)
		list = append(list, s)
		return err
	})
	if err != nil {
		return nil, ErrClaims
	}
	return list, nil
}

// stringOrStrings reads a string, or a non-empty array of them (RFC 7519 §4.1.3).
func stringOrStrings(value string) ([]string, error) {
	if s, err := nonEmpty(value); err == nil {
		return []string{s}, nil
	}
	list, err := stringsOf(value)
	if err != nil || len(list) == 0 {
		return nil, ErrClaims
	}
	return list, nil
}

// numericDate reads RFC 7519 §2 NumericDate: seconds since 1970, whole or decimal. Signs, exponents and
// anything after the year 9999 are refused: no arithmetic on it can overflow.
func numericDate(value string) (time.Time, error) {
	whole, fraction, decimal := strings.Cut(value, ".")
	seconds, err := strconv.ParseUint(whole, 10, 40)
	if err != nil || seconds == 0 || seconds > 253402300799 {
		return time.Time{}, ErrClaims
	}
	var nanos uint64
	if decimal {
		digits := (fraction + "000000000")[:9]
		if nanos, err = strconv.ParseUint(digits, 10, 32); err != nil || strings.Trim(fraction, "0123456789") != "" {
			return time.Time{}, ErrClaims
		}
	}
	return time.Unix(int64(seconds), int64(nanos)), nil
}
