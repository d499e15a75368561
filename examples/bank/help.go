package main

const usage = `go run ./examples/bank               the tour: needs nothing, takes seconds
go run ./examples/bank serve ...     the service; "serve -help" tells its flags
`

const serveHelp = `go run ./examples/bank serve -addr 127.0.0.1:PORT -tls-cert F -tls-key F
    -client-ca F -issuer URL -jwks URL_OR_FILE -audience AUD [flags]

Required:
  -addr HOST:PORT      where to listen
  -tls-cert F          PEM: the server's certificate, then its intermediates
  -tls-key F           PEM: its private key
  -client-ca F         PEM: the authorities of client certificates and, for
                       self-signed clients, their certificates themselves
  -issuer URL          the authorization server, compared with iss to the letter
                       (-issuer and -jwks may be repeated, paired in order)
  -jwks URL_OR_FILE    its keys: an https URL, verified with the system roots
                       (SSL_CERT_FILE is honoured), or a file. The URL may name
                       a loopback or private address; redirects are not followed
  -audience AUD        what aud must be, or contain

Optional:
  -public-url URL      origin that DPoP htu is compared with; default
                       https://ADDR (a wildcard ADDR needs the flag). Host,
                       X-Forwarded-*, Forwarded and absolute-form targets never
                       influence it
  -jwks-ttl DUR        cached keys are fetched again after this (default 5m;
                       Cache-Control may shorten it, never lengthen it). A key
                       removed at the issuer is refused after it, for tokens
                       verified before too. While the endpoint fails the old
                       keys continue for one hour, then 503
  -jwks-min-refresh DUR
                       at most one fetch in this time, unknown kids and failures
                       included (default 1s)
  -introspect URL      opaque tokens are asked about there (RFC 7662), at the
                       first issuer; with
  -introspect-client ID, -introspect-key F
                       who we are there: private_key_jwt, private JWK in F
  -introspect-signed   only signed answers (RFC 9701) are believed
  -token-keys F        private JWK set: encrypted tokens (RSA-OAEP-256, ECDH-ES,
                       ECDH-ES+A256KW; A256GCM) around a signed one are opened
  -profile fapi2|fapi1-advanced|uk|brasil|cdr
                       what a standard fixes (default fapi2)
  -nonce never|always|skewed
                       when DPoP proofs need a nonce of ours; skewed: when their
                       clock is off
  -admin HOST:PORT     plain HTTP on loopback: POST /revocations with one of
                       jti, sub, client_id, jkt, x5t, issued_before, and issuer
                       when there are several; PUT /consents/{id} with status,
                       permissions, accounts, expires; GET /healthz, /readyz
  -require-nonce       the same as -nonce always; a certificate-bound call needs
                       none
  -nonce-ttl DUR       nonces may be used, each time with a new jti, until they
                       expire (default 5m)
  -nonce-secret F      nonces are accepted by every process that has the same F
                       and the same -public-url, also after a restart. F has a
                       secret on each line, of 32 characters or more, such as
                       "openssl rand -base64 32" makes; or F is 32 random bytes
                       or more that are no text. The first line seals, all open:
                       a new secret is put second everywhere, then first
                       everywhere, and the old one taken away -nonce-ttl later,
                       each time with a restart. Without the flag a secret of
                       this process is made up
  -redis redis://[:PASSWORD@]HOST:PORT/DB
  -redis redis://[:PASSWORD@]HOST[:PORT],HOST[:PORT],...
  -redis redis+sentinel://NAME[:PASSWORD]@HOST[:PORT],.../DB
                       shared replay store: one server, a Cluster, or the
                       master that Sentinels know under NAME. While it is gone
                       or hangs: 503 within 5 s for requests that need it;
                       served again within 10 s of its return, or of another
                       master's election. It need not be there at the start.
                       With -admin revocations are shared as well: what one
                       process takes back, all refuse within a second; and all
                       requests need Redis then
  -idempotency         a payment needs an Idempotency-Key, and is made once for
                       it: 201 again with the same answer; 409 while it is being
                       made, or nobody knows whether it was; 422 with another
                       body. Kept for a day, with -redis there, else until the
                       process ends
  -rate N-S|M|H        N requests per second, minute or hour for each client_id,
                       all its tokens together, burst N; no flag, no limit. Else
                       429 with Retry-After in whole seconds
  -rate-peer N-S|M|H   the same for each address at the other end (IPv6: /64),
                       before any cryptography
  -concurrency N       requests in flight for each client_id; more get 429
  -seal keyring:F      account numbers and owners in answers are sealed, each as
                       a compact JWE (dir, A256GCM) of its JSON text, with the
                       first key of the JWK set in F; all keys open. The
                       creditorAccount of a payment must be sealed in this way
  -seal client -clients F
                       answers are sealed to the caller's encryption key
                       (ECDH-ES+A256KW, ECDH-ES, RSA-OAEP-256; A256GCM) in F:
                       a JSON object, client id to JWK set. A client that is not
                       in it gets 403 for accounts
  -proxy CIDR,...      proxies that terminate TLS in front: the client's
                       certificate comes from their header only, its address
                       from X-Forwarded-For. The same fields from anybody else
                       are taken out, counted and ignored
  -proxy-format rfc9440|xfcc|nginx|haproxy|apache
                       Client-Cert and Client-Cert-Chain (default),
                       X-Forwarded-Client-Cert, or X-SSL-Client-Cert as
                       $ssl_client_escaped_cert, as %[ssl_c_der,base64] or as
                       %{SSL_CLIENT_CERT}s. The certificate is judged here too
  -plain               listen without TLS, for listed proxies only; -tls-cert
                       and -tls-key are not needed
  -crl F,...           revocation lists, PEM or DER, read again within a second
                       or two of a change: a revoked certificate fails the
                       handshake, or gets 401 where it was let in before. Every
                       issuer of clients needs a list that is not over, else
                       its clients are refused: in the handshake, or with 503
  -tls-profile fapi2|fapi1|brasil
                       suites of TLS 1.2: all ECDHE ones with authenticated
                       encryption (default), or those with RSA and AES-GCM, for
                       brasil without resumption
  -audit FILE          where the records are appended; default standard error.
                       One line of JSON per request and no other lines: time,
                       interaction_id, decision (allow, deny, would_deny),
                       reason and more; never a token, proof, Authorization
                       value or query string
  -report-only all|REASON,...
                       record instead of refuse, with decision would_deny: all,
                       or the reasons named as records name them. What the
                       application itself cannot serve is refused all the same

Durations are as in 90s or 5m, from 1s up, nonces up to 24h. What the process
says besides audit records is on standard output. SIGTERM stops it within 3 s.

Without -redis, proofs that were used are remembered in this process: what was
used just before a restart could be used again just after it. The start-up guard
of the memory store would refuse those, and is declined by name here, so that
the first request after the start is served.

TLS: 1.2 with authenticated encryption or 1.3, HTTP/1.1 and HTTP/2. A client
certificate is optional; one that is shown must be trusted, in its time and for
client authentication, or the handshake fails. Header fields of 32 KiB together
are served. No dependency holds a request longer than 5 s; while one is missing
the answer is 503.

Access tokens are JWTs of RFC 9068, up to 12 KiB, exp - iat up to 1 h, signed
with ES256, PS256, EdDSA or Ed25519; RSA keys have 2048 bits or more. They are
bound: cnf.jkt needs the scheme DPoP and a proof, cnf.x5t#S256 needs the scheme
Bearer and that certificate, both together need the scheme DPoP, proof and
certificate. A token bound to nothing is 401. Credentials come in one
Authorization header only. A proof's iat is at most 60 s old and 15 s ahead.

Routes, and the scope they need:
  GET  /accounts                      accounts   the accounts, ids first
  GET  /accounts/{id}                 accounts   404 if there is none
  GET  /accounts/{id}/transactions    accounts   404 if there is none
  POST /payments                      payments   201 for a JSON object of
        debtorAccount (an account's id), creditorAccount (an IBAN),
        creditorName, amount (decimal string), currency (ISO 4217), reference
  POST /payments/high-value           payments   the same, with acr
        urn:bank:acr:sca not older than 300 s, else a challenge (RFC 9470)
  POST /echo                          none       the body, byte for byte with
        its Content-Type, up to 1 MiB

  GET  /.well-known/oauth-protected-resource     no token: RFC 9728 metadata

A token with consent_id needs an active consent that covers route and account. A
token with authorization_details of the type payment_initiation pays what they
name, and nothing else.

Errors are application/problem+json. Every response has x-fapi-interaction-id:
the request's own when that is a UUID, else a fresh one.
`
