// Package encrypt makes what it is told to readable only by those who hold the key: fields of JSON
// messages, whole bodies, and what is stored.
//
// Fields seals the fields that rules name, JSON pointers (RFC 6901) in which * stands for any member or
// element, for example /accounts/*/iban. In responses the value of every field that a rule of Config.Seal
// names is replaced by a string, a compact JWE (RFC 7516) with A256GCM; in requests every field that a rule
// of Config.Open names must be such a string and is replaced by the value, before the handler runs. What is
// sealed is the exact JSON text of the value, of any type, so numbers, escapes and white space come back
// byte for byte, and everything that no rule names passes byte for byte. A field that is not there is not
// missed. Bodies does the same with whole bodies, Vault with what is stored.
//
// # Whose key
//
// Keys seal and open what stays in the bank, in messages and in store. A Keyring is shared: its A256KW keys
// wrap one fresh content key for every message, so that no key can be used too often; its A256GCM keys seal
// values themselves ("alg":"dir"), are counted, and stop in time. DataKeys are wrapped by a key management
// service and seal a number of values for a time; CustomerKeys can be destroyed one by one.
//
// A Recipient is the public key of whoever asks: ECDH-ES+A256KW, ECDH-ES or RSA-OAEP-256, again with one
// content key for every message. PrivateKeys open what was sealed to us.
//
// Every IV is 96 random bits: processes that share a key, before and after a restart, have no counter in common
// that could repeat one. IVs are drawn when they are used, at most 32 at a time for the values of one piece of a
// message that is in memory as a whole. So copies of a running machine never seal two different values with one.
//
// # What a value is bound to
//
// The protected header, which is the additional authenticated data of a compact JWE (RFC 7516 §5.1 step 14),
// holds alg, enc, kid, what alg needs, and
//
//	"tgt":TARGET
//
// TARGET is the base64url form of HMAC-SHA-256(K, P). K is 32 bytes of HKDF-SHA-256 (RFC 5869) with no salt
// and the info "tegata/encrypt tgt"; the input is the key of the Keyring, or of the customer, that kid names,
// and else the content key. P is, each with its length in bytes before it as four bytes, the most significant
// first: "1", the rule as it is written, the media type in lower case and without parameters, the client and
// the record; a client or record that is not bound has the length 0. For a whole body the rule is "body" and
// the media type that of the body inside; for something stored they are Place.Name and
// application/octet-stream.
//
// Any JOSE library that has the key opens the value. This package also compares TARGET, and so refuses a
// value that was moved to the field of another rule, to another client or to another record. For readers
// without this package, values for a Recipient also have the rule in clear, "field":"/accounts/*/iban": who
// compares it with where the value stood sees that it was moved. Elements that one rule names with * are one
// field: to tell them apart, bind the record. A public key says nothing about who used it: what comes from a
// client is authentic by its token and connection.
//
// # What is refused
//
// A request is refused with 400 when it is not strict JSON (duplicate names, bytes that are not UTF-8, half
// surrogate pairs, more than MaxDepth levels) or when a field does not open; all that does not open has one
// reason and one answer. Other algorithms, "zip", "crit" and members that are not understood are refused
// before any work is spent. A name that differs from a rule's in case only is refused too, because
// encoding/json in a handler would take it for the field.
//
// A response that would carry a field in clear never leaves: another media type than JSON, a coded or partial
// body, a value larger than MaxValue, a member that Config.Guard names where no rule does. While nothing was
// sent yet the answer becomes 500, afterwards the connection is cut. Config.Found is told of what leaves in
// clear and looks like a card number, an IBAN or an Individual Number.
//
// A response value that is already sealed for the same target under the Keys is recognised by opening it,
// and is not sealed twice. Whoever can choose the value of a field can so put a sealed value there that was
// meant for the same rule, client and record: one more reason to bind both.
//
// # FIPS 140-3
//
// With GODEBUG=fips140=on, and with fips140=only, everything in this package works: IVs are drawn by the
// module itself (cipher.NewGCMWithRandomNonce), and what else is used are AES, HMAC-SHA-256, HKDF, ECDH on
// P-256 and RSA-OAEP with SHA-256.
package encrypt
