// Package encrypt makes named fields of JSON messages readable only by those who hold the key.
//
// Rules are JSON pointers (RFC 6901) in which * stands for any member or element, for example
// /accounts/*/iban. In responses the value of every field that a rule of Config.Seal names is
// replaced by a string, a compact JWE (RFC 7516) with "dir" and A256GCM; in requests every field
// that a rule of Config.Open names must be such a string and is replaced by the value, before
// the handler runs. What is sealed is the exact JSON text of the value, of any type, so numbers,
// escapes and white space come back byte for byte, and everything that no rule names passes byte
// for byte. A field that is not there is not missed.
//
// # What a value is bound to
//
// The protected header, which is the additional authenticated data of a compact JWE (RFC 7516
// §5.1 step 14), is
//
//	{"alg":"dir","enc":"A256GCM","kid":KEY ID,"tgt":TARGET}
//
// TARGET is the base64url form of HMAC-SHA-256(K, P). K is 32 bytes of HKDF-SHA-256 (RFC 5869)
// with the sealing key as input, no salt and the info "tegata/encrypt tgt". P is, each with its
// length in bytes before it as four bytes, the most significant first: "1", the rule as it is
// written, the media type in lower case and without parameters, the client and the record; a
// client or record that is not bound has the length 0. Any JOSE library that has the key opens
// the value. This package also compares TARGET, and so refuses a value that was moved to the
// field of another rule, to another client or to another record. Elements that one rule names
// with * are one field: to tell them apart, bind the record.
//
// # What is refused
//
// A request is refused with 400 when it is not strict JSON (duplicate names, bytes that are not
// UTF-8, half surrogate pairs, more than MaxDepth levels) or when a field does not open; all
// that does not open has one reason and one answer. A name that differs from a rule's in case
// only is refused too, because encoding/json in a handler would take it for the field.
//
// A response that would carry a field in clear never leaves: another media type than JSON, a
// coded or partial body, a value larger than MaxValue. While nothing was sent yet the answer
// becomes 500, afterwards the connection is cut.
//
// A response value that is already sealed for the same target is recognised by opening it, and is
// not sealed twice. Whoever can choose the value of a field can so put a sealed value there that
// was meant for the same rule, client and record: one more reason to bind both.
package encrypt
