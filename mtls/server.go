package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ClientCertificate says what a server demands of its clients.
type ClientCertificate int

// The demands, strictest first.
const (
	// Required: every client shows a certificate that is verified, or the handshake fails.
	Required ClientCertificate = iota
	// Optional: a client may show none; one that is shown is verified, or the handshake fails.
	Optional
	// NotRequested: clients are not asked for a certificate. Tokens that are bound to one are of no use
	// on such a listener (RFC 8705 section 5).
	NotRequested
	// DangerouslyUnverified: a client may show any certificate, and it is not verified: not its issuer,
	// not its validity, not its purpose. It proves the possession of its key only, which is all that a
	// comparison with a token's thumbprint needs (RFC 8705 section 6.2). Whoever chooses this gives up
	// that a stranger without a certificate of a known issuer never reaches the application.
	DangerouslyUnverified
)

// ServerConfig says what a server shows and demands.
type ServerConfig struct {
	_ [0]func()

	// Source is required. It needs client trust anchors where ClientCertificate is Required or Optional.
	Source *Source
	// ClientCertificate is Required unless another demand is named.
	ClientCertificate ClientCertificate
	// Profile is FAPI2 unless another is named.
	Profile Profile
}

// Server makes the tls.Config of a resource server: TLS 1.2 with the profile's suites and TLS 1.3, HTTP/2 and HTTP/1.1, client certificates as demanded, verified against the source's anchors of
// that moment in every handshake, resumed ones included. A session whose client certificate is no
// longer good is not resumed: the client has to show one again. Early data (0-RTT) does not exist in
// crypto/tls over TCP.
//
// Every handshake asks GetConfigForClient, which hands out a copy of the returned Config with the
// certificate and the anchors that the source holds then. So a change of the returned Config counts
// when it is made before the first handshake, and a change of its clone does not: to serve without
// HTTP/2, set NextProtos on the returned Config itself, besides http.Server.Protocols. A function that
// replaces VerifyConnection calls the one that was there.
func Server(config ServerConfig) (*tls.Config, error) {
	var errs []error
	made := config.Source != nil && config.Source.held.Load() != nil
	if !made {
		errs = append(errs, errors.New("mtls: Source is required, made by NewSource"))
	}
	if made && config.Source.held.Load().certificate == nil {
		errs = append(errs, errors.New("mtls: the source has no server certificate"))
	}
	if config.ClientCertificate < Required || config.ClientCertificate > DangerouslyUnverified {
		errs = append(errs, fmt.Errorf("mtls: ClientCertificate %d is unknown", int(config.ClientCertificate)))
	}
	if config.Profile < FAPI2 || config.Profile > Brasil {
		errs = append(errs, fmt.Errorf("mtls: Profile %d is unknown", int(config.Profile)))
	}
	verifies := config.ClientCertificate == Required || config.ClientCertificate == Optional
	if made && verifies && config.Source.held.Load().anchors == nil {
		errs = append(errs, errors.New("mtls: the source has no client trust anchors to verify against"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := &server{source: config.Source, demand: config.ClientCertificate}
	s.base = &tls.Config{
		MinVersion:             tls.VersionTLS12,
		CipherSuites:           config.Profile.suites12(),
		SessionTicketsDisabled: config.Profile == Brasil,
		NextProtos:             []string{"h2", "http/1.1"},
		GetConfigForClient:     s.configFor,
	}
	switch s.demand {
	case NotRequested:
		s.base.ClientAuth = tls.NoClientCert
	case DangerouslyUnverified:
		s.base.ClientAuth = tls.RequestClientCert
	case Optional:
		s.base.ClientAuth = tls.VerifyClientCertIfGiven
		s.base.VerifyConnection = s.verify
	default:
		s.base.ClientAuth = tls.RequireAndVerifyClientCert
		s.base.VerifyConnection = s.verify
	}
	s.fill(s.base, config.Source.held.Load())
	return s.base, nil
}

// server hands out one tls.Config per material. The session ticket keys are those of the Config that
// accepted the connection, not of the copies, so a reload does not end the resumption of sessions.
type server struct {
	source *Source
	demand ClientCertificate
	base   *tls.Config
	made   atomic.Pointer[made]
}

type made struct {
	of     *material
	config *tls.Config
}

func (s *server) configFor(*tls.ClientHelloInfo) (*tls.Config, error) {
	now := s.source.current()
	if m := s.made.Load(); m != nil && m.of == now {
		return m.config, nil
	}
	config := s.base.Clone()
	s.fill(config, now)
	s.made.Store(&made{of: now, config: config})
	return config, nil
}

// fill sets what depends on the material.
func (s *server) fill(config *tls.Config, m *material) {
	config.Certificates = []tls.Certificate{*m.certificate}
	if m.anchors != nil {
		config.ClientCAs = m.anchors.pool
	}
}

// verify runs at the end of every handshake, and resumption does not pass over it.
func (s *server) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) > 0 {
		_, err := s.source.judge(context.Background(), s.source.held.Load(), state.PeerCertificates[0], state.VerifiedChains, state.OCSPResponse, time.Now())
		return err
	}
	if s.demand == Required {
		return ErrMissing
	}
	return nil
}
