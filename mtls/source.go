package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// defaultInterval is how old the view of the files may get when SourceConfig does not say.
const defaultInterval = 10 * time.Second

// SourceConfig says where a Source finds what it holds. The server's certificate comes from files or
// from memory, and so do the client trust anchors; a source for a server that asks for no client
// certificate needs no anchors, and one that only judges certificates from a proxy's header needs no
// certificate of its own.
type SourceConfig struct {
	_ [0]func()

	// CertFile is a PEM file with the server's certificate first and the intermediates after it;
	// KeyFile is a PEM file with its private key. The two may be the same file.
	CertFile, KeyFile string
	// Certificate stands in for the two files and never changes.
	Certificate tls.Certificate

	// ClientCAFiles are PEM files of certificates: authorities, and for self-signed clients their
	// certificates themselves (RFC 8705 section 2.2).
	//
	// WARNING: a listed certificate that says that it is an authority (basic constraints, CA true) is
	// one: whoever holds its key can issue client certificates. The certificate of a self-signed client
	// should not say so.
	ClientCAFiles []string
	// ClientCAs stand in for the files and never change.
	ClientCAs []*x509.Certificate

	// CRLFiles are revocation lists (RFC 5280 section 5), DER or PEM, one or more in a file. With any, every
	// certificate of a client's chain but the anchor needs a list of its issuer, signed by it and not
	// over: without one nobody knows, and the client is refused. A list that is over, older than the one
	// held, or not its issuer's is not taken. Delta lists and lists of several issuers are not taken either.
	CRLFiles []string
	// Revocation, an [OCSP] for example, is asked too, after the lists: each must know every certificate. With
	// client trust anchors one of the two is required; NoRevocation{} declines both.
	Revocation Revocation
	// DangerouslyPassUnknown lets certificates pass of which nobody knows whether they were revoked: whoever
	// can keep lists from reaching this service can then use a revoked certificate.
	DangerouslyPassUnknown bool

	// Interval is how long a change of a file may go unnoticed. 0 is 10 seconds.
	Interval time.Duration
	// OnError, when set, is told why files could not be taken: once, until the cause changes. It is
	// called by one goroutine at a time and never by a handshake.
	OnError func(error)
}

// Source holds a server's certificate, the client trust anchors and the revocation lists, and looks for
// new ones in their files: in the background while Run runs, and otherwise on a handshake, when the last look is older
// than the interval. Files that are broken, expired, unreadable or do not fit together leave what is
// held in force; LastError and SourceConfig.OnError tell. A Source is safe for concurrent use.
type Source struct {
	interval time.Duration
	onError  func(error)
	made     time.Time
	held     atomic.Pointer[material]
	next     atomic.Int64 // when the next look is due, in nanoseconds since made

	pair  watched[*tls.Certificate]
	trust watched[*anchors]
	crls  []watched[[]*crl] // one for each file

	revocation  Revocation // nil: nobody else to ask
	ocsp        *OCSP      // the same, when it is one: it answers from memory without a context, and takes staples
	passUnknown bool
	verdicts    verdicts

	mu      sync.Mutex
	looking bool  // a goroutine is reading the files
	last    error // of the last look
}

// NewSource reads what config names, and reports everything that is wrong with it. It starts nothing.
func NewSource(config SourceConfig) (*Source, error) {
	s := &Source{
		interval: config.Interval,
		onError:  config.OnError,
		made:     time.Now(),
		pair:     watched[*tls.Certificate]{limit: maxFile},
		trust:    watched[*anchors]{limit: maxFile, paths: append([]string(nil), config.ClientCAFiles...)},

		revocation:  config.Revocation,
		passUnknown: config.DangerouslyPassUnknown,
	}
	s.ocsp, _ = config.Revocation.(*OCSP)
	if _, declined := config.Revocation.(NoRevocation); declined {
		s.revocation = nil
	}
	for _, path := range config.CRLFiles {
		s.crls = append(s.crls, watched[[]*crl]{limit: maxLists, paths: []string{path}})
	}
	if s.interval == 0 {
		s.interval = defaultInterval
	}
	first, fixedErr := s.fixed(config)
	first, loadErr := s.load(first)
	if err := errors.Join(fixedErr, loadErr); err != nil {
		return nil, fmt.Errorf("mtls: source: %w", err)
	}
	s.held.Store(first)
	s.next.Store(int64(s.interval))
	return s, nil
}

// fixed checks the configuration and gives the part of the material that is not in files.
func (s *Source) fixed(config SourceConfig) (*material, error) {
	m := new(material)
	var errs []error
	inMemory := len(config.Certificate.Certificate) > 0 || config.Certificate.PrivateKey != nil
	inFiles := config.CertFile != "" || config.KeyFile != ""
	anchored := len(config.ClientCAs)+len(config.ClientCAFiles) > 0
	switch {
	case inFiles && inMemory:
		errs = append(errs, errors.New("server certificate in files and in memory: choose one"))
	case inMemory:
		pair := config.Certificate
		m.certificate = &pair
	case config.CertFile != "" && config.KeyFile != "":
		s.pair.paths = []string{config.CertFile, config.KeyFile}
	case inFiles || !anchored:
		errs = append(errs, errors.New("no server certificate: CertFile and KeyFile, or Certificate, are required"))
	}
	if len(config.ClientCAs) > 0 {
		if len(s.trust.paths) > 0 {
			errs = append(errs, errors.New("client trust anchors in files and in memory: choose one"))
		}
		a, err := newAnchors(config.ClientCAs)
		if err != nil {
			errs = append(errs, err)
		}
		m.anchors = a
	}
	if o, is := config.Revocation.(*OCSP); is && (o == nil || o.ask == nil) {
		errs = append(errs, errors.New("Revocation: an OCSP is made by NewOCSP"))
	}
	_, declined := config.Revocation.(NoRevocation)
	switch {
	case declined && len(config.CRLFiles) > 0:
		errs = append(errs, errors.New("revocation lists and NoRevocation{}: choose one"))
	case anchored && config.Revocation == nil && len(config.CRLFiles) == 0:
		errs = append(errs, errors.New("revocation of client certificates: CRLFiles or Revocation is required; NoRevocation{} declines it"))
	}
	if config.Interval < 0 {
		errs = append(errs, errors.New("negative Interval"))
	}
	return m, errors.Join(errs...)
}
