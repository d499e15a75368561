// Package ratelimit decides how much one caller may ask for.
//
// A [Limiter] asks its key function who is calling, and takes the cost of the request from
// every [Limit] of that caller or from none, in one step of a [Store]. A refusal is 429 with
// the true Retry-After (RFC 6585 §4, RFC 9110 §10.2.3); every answer tells what is left in
// RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers). A store that cannot
// answer is 503.
//
// # What a limit admits
//
// The algorithm is GCRA, a bucket that holds Burst units and gains Count of them per Period,
// evenly. Over every window of any length t, and wherever it begins, the admitted cost is at
// most
//
//	Burst + Count*t/Period    (rounded down)
//
// and no more than Burst at one moment. There is no window edge at which a double burst
// passes. The arithmetic is exact: a Period that Count does not divide neither admits more
// nor drifts. Whoever must never see more than N in any Period writes Count and Burst so
// that their sum is N.
//
// # Whom a limit counts
//
// Two stages belong into a chain: one keyed by [PeerAddress] before any cryptography, and
// one keyed by the verified client after it. A key is never read from a header here:
// X-Forwarded-For is the caller's own word.
//
//   - A peer: [PeerAddress] and [PeerPrefix]; behind proxies mtls.AddressKey; [ByCertificate].
//   - A client across issuers: token.ClientKey.
//   - A subject, a consent, a tenant, the thumbprint of a key: [By] of the grant.
//   - A route: [Route]. All callers together, by name only: [Everyone].
//   - Several of these: [Join] and [Key], which no other parts give; one or else another:
//     [FirstOf].
//
// What tells nothing is no key, and refuses the request with 500, for it is a mistake of the
// chain: callers who lack a claim are never counted as one. What is counted before
// authentication has a [Memory] of its own: a flood of addresses that fills it then leaves the
// clients theirs.
//
// # What else can be bounded
//
//   - How much a day or a month: a [Limit] with a [Calendar], beside the others. The rule of
//     PSD2 for reads while the customer is away is ready made: [NewUnattended].
//   - How many at once: [Concurrency], with a queue and a deadline, over [Slots].
//   - How much the service can bear: [Guard] finds it out and sheds what is more, with 503.
//   - What a request turned out to cost: [Limiter.Charge], after the answer. Never less.
//   - How often somebody may fail: Config.Penalty makes refusals cost more. It is told of them
//     by [Penalize], and keyed by what no other can present.
//
// # When something changes, or is away
//
// [Tiers] are limits by plan that can be replaced while requests run. A limiter is made
// report-only by audit.Config.Waive, one of several by [RefusedBy]. A limiter fails closed;
// whoever wants it otherwise gives it another store, by name: [LocalFallback] counts in this
// process meanwhile, [DangerouslyFailOpen] lets everything pass. [Leases] spares round trips
// to a store that is elsewhere, and admits nothing more for it.
package ratelimit
