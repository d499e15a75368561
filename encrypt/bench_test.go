package encrypt_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tegata-go/tegata/encrypt"
)

// iban has 34 characters, the longest there is.
const iban = "MT84MALT011000012345MTLCAST001S123"

// document has n sealed fields and about size bytes; values are the fields' texts.
func document(n, size int) (doc []byte, values [][]byte) {
	var b bytes.Buffer
	b.WriteString(`{"accounts":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		value := fmt.Sprintf(`"%s%06d"`, iban[:28], i)
		values = append(values, []byte(value))
		fmt.Fprintf(&b, `{"id":"a-%06d","currency":"EUR","balance":{"amount":"%d.10","type":"booked"},"iban":%s,"name":"`, i, i*7, value)
		b.WriteString(strings.Repeat("Ledger ", 40)[:max(1, size/n-130)])
		b.WriteString(`"}`)
	}
	b.WriteString(`]}`)
	return b.Bytes(), values
}

var sizes = []struct {
	name         string
	fields, size int
	ratio        float64 // budgets 13 to 15, to raw Seal
}{{"1field", 1, 300, 15}, {"10fields", 10, 2 << 10, 8}, {"1000fields", 1000, 200 << 10, 6}}

// rawSeal is the floor: AES-GCM of the same values, with own nonces.
func rawSeal(b testing.TB, values [][]byte) func() {
	block, err := aes.NewCipher(secret(1))
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	var nonce [12]byte
	out := make([]byte, 0, 256)
	n := uint64(0)
	return func() {
		for _, v := range values {
			n++
			binary.BigEndian.PutUint64(nonce[4:], n)
			out = gcm.Seal(out[:0], nonce[:], v, nil)
		}
	}
}

// tokens is one pass of the JSON tokenizer that everybody has.
func tokens(b testing.TB, doc []byte) func() {
	r := bytes.NewReader(doc)
	d := jsontext.NewDecoder(r)
	return func() {
		r.Reset(doc)
		d.Reset(r)
		for {
			if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// rawWrapped is the floor of a content key for every message: the key drawn, expanded and wrapped (RFC 3394: 24
// blocks for 256 bits), and AES-GCM of the values with own nonces. Budgets 13 to 15 are of rawSeal, whose key is
// there already: for one small value nothing that wraps a key comes near it.
func rawWrapped(b testing.TB, values [][]byte) func() {
	kek, err := aes.NewCipher(secret(1))
	if err != nil {
		b.Fatal(err)
	}
	var nonce [12]byte
	var key [32]byte
	var wrapped [16]byte
	out := make([]byte, 0, 256)
	return func() {
		_, _ = rand.Read(key[:])
		for range 24 {
			kek.Encrypt(wrapped[:], wrapped[:])
		}
		block, err := aes.NewCipher(key[:])
		if err != nil {
			b.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		for i, v := range values {
			binary.BigEndian.PutUint64(nonce[4:], uint64(i))
			out = gcm.Seal(out[:0], nonce[:], v, nil)
		}
	}
}

// compare runs the path and its floors in turn and reports the ratios of their medians.
func compare(b *testing.B, path, raw, tokenizer func(), wrapped ...func()) {
	b.Helper()
	const batch = 8
	var took [4][]float64
	for range b.N {
		for i, f := range append([]func(){path, raw, tokenizer}, wrapped...) {
			start := time.Now()
			for range batch {
				f()
			}
			took[i] = append(took[i], float64(time.Since(start))/batch)
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	at := len(took[0]) / 2
	if len(wrapped) > 0 {
		b.ReportMetric(took[0][at]/took[3][at], "x-raw-wrapped")
	}
	b.ReportMetric(took[0][at]/took[1][at], "x-raw-seal")
	b.ReportMetric(took[0][at]/took[2][at], "x-tokenizer")
	b.ReportMetric(took[0][at], "ns/document")
	b.ReportMetric(testing.AllocsPerRun(20, path), "allocs/document")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			f := fields(b, encrypt.Config{Seal: []string{"/accounts/*/iban"}})
			doc, values := document(size.fields, size.size)
			out := make([]byte, 0, 4*len(doc))
			compare(b, func() {
				if _, err := f.SealJSON(context.Background(), out, doc, encrypt.Binding{}); err != nil {
					b.Fatal(err)
				}
			}, rawSeal(b, values), tokens(b, doc))
		})
	}
}

// The same with a client and a record, whose target must be made for every document.
func BenchmarkSealBound(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			f := fields(b, encrypt.Config{Seal: []string{"/accounts/*/iban"}})
			doc, values := document(size.fields, size.size)
			out := make([]byte, 0, 4*len(doc))
			compare(b, func() {
				if _, err := f.SealJSON(context.Background(), out, doc, encrypt.Binding{Client: "client-1", Record: "acc-1"}); err != nil {
					b.Fatal(err)
				}
			}, rawSeal(b, values), tokens(b, doc))
		})
	}
}

// The default: a content key for every document, wrapped under the Keyring's key, or to a client's key.
func BenchmarkSealWrapped(b *testing.B) {
	to := people(b)[0].recipient(b)
	for _, size := range sizes {
		for name, c := range map[string]encrypt.Config{"A256KW": {Keys: wrapping(b, "k1")}, "ECDH-ES+A256KW": {Recipient: to.Always}} {
			b.Run(size.name+"/"+name, func(b *testing.B) {
				c.Seal = []string{"/accounts/*/iban"}
				f, err := encrypt.New(c)
				if err != nil {
					b.Fatal(err)
				}
				bound := encrypt.Binding{}
				if c.Recipient != nil {
					bound.Recipient = to
				}
				doc, values := document(size.fields, size.size)
				out := make([]byte, 0, 8*len(doc))
				compare(b, func() {
					if _, err := f.SealJSON(context.Background(), out, doc, bound); err != nil {
						b.Fatal(err)
					}
				}, rawSeal(b, values), tokens(b, doc), rawWrapped(b, values))
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			rules := []string{"/accounts/*/iban"}
			f := fields(b, encrypt.Config{Seal: rules, Open: rules})
			doc, values := document(size.fields, size.size)
			sealed := []byte(seal(b, f, string(doc), encrypt.Binding{}))
			out := make([]byte, 0, 4*len(doc))
			compare(b, func() {
				if _, err := f.OpenJSON(context.Background(), out, sealed, encrypt.Binding{}); err != nil {
					b.Fatal(err)
				}
			}, rawSeal(b, values), tokens(b, doc))
		})
	}
}

// Refusing costs no more than accepting.
func BenchmarkOpenRefused(b *testing.B) {
	rules := []string{"/accounts/*/iban"}
	f := fields(b, encrypt.Config{Seal: rules, Open: rules})
	doc, values := document(1, 300)
	good := seal(b, f, string(doc), encrypt.Binding{})
	value := sealedAt(b, good, "accounts", 0, "iban")
	bad := []byte(strings.Replace(good, value, value[:len(value)-2]+string(flip(value[len(value)-2]))+value[len(value)-1:], 1))
	out := make([]byte, 0, 4*len(doc))
	compare(b, func() {
		if _, err := f.OpenJSON(context.Background(), out, bad, encrypt.Binding{}); err == nil {
			b.Fatal("opened")
		}
	}, rawSeal(b, values), tokens(b, doc))
}

// The whole middleware round a handler that writes the document.
func BenchmarkWrap(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			f := fields(b, encrypt.Config{Seal: []string{"/accounts/*/iban"}})
			doc, values := document(size.fields, size.size)
			contentType := []string{jsonType}
			h := f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = contentType
				_, _ = w.Write(doc)
			}))
			w := &counting{header: http.Header{}}
			r := httptest.NewRequest("GET", "/", nil)
			compare(b, func() { h.ServeHTTP(w, r) }, rawSeal(b, values), tokens(b, doc))
		})
	}
}
