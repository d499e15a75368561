package encrypt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tegata-go/tegata/internal/strictjson"
)

const maxKeySet = 1 << 20 // bytes

// ParseKeys reads a JWK set (RFC 7517 §5) of symmetric keys for NewKeyring, in its order. Every
// key must have kty "oct", a kid, and a k of 32 bytes; alg must be A256KW or A256GCM, use must be enc,
// key_ops must contain what alg needs, wrapKey and unwrapKey or encrypt and decrypt, or be absent. Of a
// key without alg the key_ops tell; without both it is for A256KW. Other members are ignored (§4). All
// mistakes are reported at once; nothing of a key is in an error but its place in the set.
func ParseKeys(jwkSet []byte) ([]Key, error) {
	if len(jwkSet) > maxKeySet {
		return nil, fmt.Errorf("encrypt: key set of more than %d bytes", maxKeySet)
	}
	set, ok := members(string(jwkSet))
	if !ok {
		return nil, errors.New("encrypt: not a JWK set")
	}
	var keys []Key
	var errs []error
	err := strictjson.Elements(set["keys"], func(jwk string) error {
		k, wrong := parseKey(jwk)
		if wrong != "" {
			errs = append(errs, fmt.Errorf("encrypt: key %d of the set: %s", len(keys), wrong))
		}
		keys = append(keys, k)
		return nil
	})
	if err != nil || len(keys) == 0 {
		return nil, errors.New("encrypt: not a JWK set with at least one key")
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return keys, nil
}

// parseKey reads one JWK and says what is wrong with it.
func parseKey(text string) (k Key, wrong string) {
	jwk, ok := members(text)
	switch {
	case !ok:
		return k, "not an object"
	case jwk.text("kty") != "oct":
		return k, "kty is not oct"
	case jwk.has("alg") && jwk.text("alg") != A256GCM && jwk.text("alg") != A256KW:
		return k, "alg is not A256KW or A256GCM"
	case jwk.has("use") && jwk.text("use") != "enc":
		return k, "use is not enc"
	case jwk.has("key_ops") && !operations(jwk["key_ops"], jwk.text("alg")) &&
		(jwk.has("alg") || !operations(jwk["key_ops"], A256GCM)):
		return k, "key_ops is not a list with what alg needs"
	case jwk.text("kid") == "":
		return k, "no kid"
	}
	k.ID, k.Algorithm = jwk.text("kid"), jwk.text("alg")
	if !jwk.has("alg") && jwk.has("key_ops") && operations(jwk["key_ops"], A256GCM) {
		k.Algorithm = A256GCM
	}
	encoded := jwk.text("k")
	secret, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // decoders in Go skip line ends
		return k, "k is not base64url"
	}
	if len(secret) != secretSize {
		return k, "k does not have 32 bytes"
	}
	k.Secret = secret
	return k, ""
}

// operations says whether key_ops (RFC 7517 §4.3) lets a key do both halves of our work.
func operations(list, alg string) bool {
	var ops []string
	err := strictjson.Elements(list, func(element string) error {
		op, err := strictjson.String(element)
		ops = append(ops, op)
		return err
	})
	if alg == A256GCM {
		return err == nil && slices.Contains(ops, "encrypt") && slices.Contains(ops, "decrypt")
	}
	return err == nil && slices.Contains(ops, "wrapKey") && slices.Contains(ops, "unwrapKey")
}

// object is a small JSON object: names, which are case-sensitive and used once, and exact values.
type object map[string]string

func members(text string) (object, bool) {
	o := object{}
	err := strictjson.Members(text, func(name, value string) error {
		o[name] = value
		return nil
	})
	return o, err == nil
}

func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

// text gives a string member; one that is absent or of another type is "", which no caller accepts.
func (o object) text(name string) string {
	s, err := strictjson.String(o[name])
	if err != nil {
		return ""
	}
	return s
}
