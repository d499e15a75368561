// Package token decides who may act, and whether they can prove it.
//
// A Verifier takes the access token of a request (RFC 6750 §2.1, RFC 9449 §7.1), has a Resolver turn
// it into claims, and then demands the proof that the token itself names: the client certificate of
// the connection (RFC 8705 §3), a DPoP proof (RFC 9449 §4.3 and §7), or both. A token that names
// neither is refused. What comes out is a Grant, the only way to the identity of a caller.
//
// The order of the steps is fixed and cannot be configured: see [Verifier.Authenticate]. The one write,
// that a proof was used, comes last, for a caller who was believed by then.
package token
