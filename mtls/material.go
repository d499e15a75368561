package mtls

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxFile bounds one PEM file of certificates or of a key, in bytes.
const maxFile = 1 << 20

// material is what a Source holds at one moment. It never changes.
type material struct {
	certificate *tls.Certificate
	anchors     *anchors // nil: the source has none
	lists       *lists   // nil: the source has none
	generation  uint64   // tells it from what the source held before
}

// watched is one part of the material together with the files it comes from. Only one goroutine at a
// time calls load.
type watched[T any] struct {
	paths  []string          // none: the part is fixed
	limit  int64             // bounds one file, in bytes
	digest [sha256.Size]byte // of the contents that were taken last
}

// load gives the part as the files have it now, and held when they did not change. It compares
// contents, not times: a file may be replaced within the file system's clock tick.
func (w *watched[T]) load(held T, parse func(contents [][]byte) (T, error)) (T, error) {
	if len(w.paths) == 0 {
		return held, nil
	}
	contents := make([][]byte, len(w.paths))
	sum := sha256.New()
	for i, path := range w.paths {
		data, err := readFile(path, w.limit)
		if err != nil {
			return held, err
		}
		contents[i] = data
		_ = binary.Write(sum, binary.BigEndian, uint64(len(data))) // a hash takes everything
		sum.Write(data)
	}
	digest := [sha256.Size]byte(sum.Sum(nil))
	if digest == w.digest {
		return held, nil
	}
	part, err := parse(contents)
	if err != nil {
		return held, err
	}
	w.digest = digest
	return part, nil
}

// readFile reads a regular file of bounded size. Opening anything else could block for ever.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, limit)
	}
	return data, nil
}

// parsePair reads a certificate chain and its key; both may stand in one file.
func parsePair(contents [][]byte) (*tls.Certificate, error) {
	if _, err := blocks(contents[0]); err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	if err := usable(&pair, time.Now()); err != nil {
		return nil, err
	}
	return &pair, nil
}

// usable tells why a server certificate cannot be shown to clients now.
func usable(pair *tls.Certificate, now time.Time) error {
	if len(pair.Certificate) == 0 || pair.PrivateKey == nil {
		return errors.New("server certificate: chain or private key missing")
	}
	leaf := pair.Leaf
	if leaf == nil {
		parsed, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			return fmt.Errorf("server certificate: %w", err)
		}
		leaf = parsed
	}
	switch {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("server certificate: not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		return fmt.Errorf("server certificate: expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case weak(leaf.PublicKey):
		return errors.New("server certificate: key too weak")
	}
	return nil
}

// parseAnchors reads certificates, and nothing else, from PEM files.
func parseAnchors(contents [][]byte) (*anchors, error) {
	var certs []*x509.Certificate
	for _, data := range contents {
		found, err := blocks(data)
		if err != nil {
			return nil, fmt.Errorf("client trust anchors: %w", err)
		}
		for i, block := range found {
			if block.Type != "CERTIFICATE" {
				return nil, fmt.Errorf("client trust anchors: PEM block %d is not a certificate", i+1)
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("client trust anchors: PEM block %d: %w", i+1, err)
			}
			certs = append(certs, cert)
		}
	}
	return newAnchors(certs)
}

// blocks gives all PEM blocks of data. pem.Decode passes over a block that it cannot read; here that
// is an error, or a file cut short would lose an authority in silence.
func blocks(data []byte) ([]*pem.Block, error) {
	var found []*pem.Block
	begun := bytes.Count(data, []byte("-----BEGIN "))
	for len(data) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		found = append(found, block)
		data = rest
	}
	switch {
	case begun != len(found):
		return nil, errors.New("malformed PEM block")
	case len(found) == 0:
		return nil, errors.New("no PEM block")
	}
	return found, nil
}
