package mtls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
)

// Check names everything about a server's tls.Config that falls short of FAPI 2.0 Security Profile
// section 5.2 and BCP 195 (RFC 9325), all of it at once; nil when there is nothing. It judges the
// Config it is given: what GetConfigForClient returns is another Config, to be checked by itself.
// What [Server] returns passes, except with DangerouslyUnverified.
func Check(config *tls.Config) error { return FAPI2.Check(config) }

// Check is the package's Check for another profile.
func (p Profile) Check(config *tls.Config) error {
	if config == nil {
		return errors.New("mtls: no tls.Config")
	}
	var errs []error
	name := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New("mtls: "+text))
		}
	}
	name(config.MinVersion < tls.VersionTLS12,
		"MinVersion is not set to TLS 1.2 or later (RFC 9325 section 3.1.1)")
	name(config.MaxVersion != 0 && config.MaxVersion < tls.VersionTLS13,
		"MaxVersion excludes TLS 1.3 (RFC 9325 section 3.1.1)")
	if config.MinVersion < tls.VersionTLS13 {
		errs = append(errs, p.checkSuites(config.CipherSuites)...)
	}
	errs = append(errs, checkClients(config)...)
	name(config.Renegotiation != tls.RenegotiateNever, "Renegotiation is allowed (RFC 9325 section 3.5)")
	name(p == Brasil && !config.SessionTicketsDisabled, "SessionTicketsDisabled is not set (Open Finance Brasil forbids resumption)")
	name(config.InsecureSkipVerify, "InsecureSkipVerify is set")
	name(config.KeyLogWriter != nil, "KeyLogWriter gives the session keys away")
	name(config.Rand != nil, "Rand replaces the system's randomness")
	for i := range config.Certificates {
		if leaf := config.Certificates[i].Leaf; leaf != nil {
			name(weak(leaf.PublicKey), fmt.Sprintf("Certificates[%d] has a key too weak (FAPI2-SP section 5.4.1)", i))
		}
	}
	return errors.Join(errs...)
}

func (p Profile) checkSuites(suites []uint16) []error {
	if suites == nil {
		return []error{errors.New("mtls: CipherSuites is not set, and Go's own list has CBC suites (" + p.clause() + ")")}
	}
	var errs []error
	good := p.suites12()
	for _, id := range suites {
		// The suites of TLS 1.3 may be listed; they are not configurable and all of them are good.
		if !slices.Contains(good, id) && id>>8 != 0x13 {
			errs = append(errs, fmt.Errorf("mtls: CipherSuites has %s (%s)", tls.CipherSuiteName(id), p.clause()))
		}
	}
	return errs
}

func checkClients(config *tls.Config) []error {
	var errs []error
	switch config.ClientAuth {
	case tls.NoClientCert:
	case tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert:
		if config.ClientCAs == nil {
			errs = append(errs, errors.New("mtls: ClientCAs is not set: every public authority could issue client certificates"))
		}
	default:
		if config.VerifyConnection == nil {
			errs = append(errs, errors.New("mtls: ClientAuth takes client certificates without verifying them"))
		}
	}
	if config.VerifyPeerCertificate != nil && config.VerifyConnection == nil {
		errs = append(errs, errors.New("mtls: VerifyPeerCertificate is passed over on resumption: use VerifyConnection (RFC 9325 section 3.4)"))
	}
	return errs
}
