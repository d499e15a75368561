package mtls

import "crypto/tls"

// Profile is the set of rules that a server's TLS follows. All have TLS 1.3, which wins over 1.2, and no
// renegotiation.
type Profile int

// The profiles.
const (
	// FAPI2 is FAPI 2.0 Security Profile section 5.2: the six ECDHE suites of TLS 1.2 with authenticated encryption.
	FAPI2 Profile = iota
	// FAPI1 is FAPI 1.0 Advanced section 8.5 as its conformance suite reads it: ECDHE_RSA with AES-GCM only, so
	// that a client of TLS 1.2 needs a server certificate with an RSA key. The DHE suites that the clause also names
	// do not exist in crypto/tls.
	FAPI1
	// Brasil is Open Finance Brasil: the suites of FAPI1, and no session is resumed.
	Brasil
)

// suites12 are the suites of TLS 1.2 that the profile leaves. Go's own list has CBC suites too.
func (p Profile) suites12() []uint16 {
	if p != FAPI2 {
		return []uint16{
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		}
	}
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// clause is where the profile's suites are written down.
func (p Profile) clause() string {
	if p == FAPI2 {
		return "FAPI2-SP section 5.2.2"
	}
	return "FAPI1-ADV section 8.5"
}
