package tour

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/tegata-go/tegata/examples/bank/service"
)

const (
	rounds  = 10
	callers = 2
)

// bareHandler answers as the bank does, without asking anything.
func bareHandler() http.Handler {
	body, err := json.Marshal(map[string][]service.Account{"accounts": service.Accounts()})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

// path is one way of calling that is measured.
type path struct {
	name     string
	bank     *bank
	requests [callers]requests
	done     int
	took     time.Duration
}

// requests are what one caller sends: the first of them again and again, or each once.
type requests struct {
	texts  [][]byte
	repeat bool
	next   int
}

// take gives the next request; nil when there is none left.
func (q *requests) take() []byte {
	if q.repeat {
		return q.texts[0]
	}
	if q.next == len(q.texts) {
		return nil
	}
	q.next++
	return q.texts[q.next-1]
}

func (p *path) rate() float64 { return float64(p.done) / p.took.Seconds() }

// measure counts requests per second, in rounds that take turns, so that a busy machine slows all alike.
func measure(ctx context.Context, w *world, p *printer, round time.Duration) error {
	p.line("\nWHAT IT COSTS")
	p.labelled("", fmt.Sprintf(`Requests per second on this machine (%d cores), client and server together, over TLS 1.3 with client
		certificates and connections that stay open; behind it the part of the first that is left. Each DPoP request has a proof
		of its own, signed before the clock runs.`, runtime.NumCPU()))
	p.line("")
	bound, dpop := w.byCertificate(nil), w.byKey()
	paths := []*path{
		{name: "the handler alone", bank: w.bare},
		{name: "the whole chain, token bound to certificate", bank: w.fast},
		{name: "the whole chain, DPoP", bank: w.fast},
	}
	for i := range callers {
		one := [][]byte{fmt.Appendf(nil, "GET /accounts HTTP/1.1\r\nHost: bank.example\r\nAuthorization: Bearer %s\r\n\r\n", bound)}
		paths[0].requests[i] = requests{texts: one, repeat: true}
		paths[1].requests[i] = requests{texts: one, repeat: true}
		// 5 for each millisecond: each costs a signature check. Where they are used up, the last rounds are short.
		for range rounds * round / time.Millisecond * 5 {
			paths[2].requests[i].texts = append(paths[2].requests[i].texts, fmt.Appendf(nil,
				"GET /accounts HTTP/1.1\r\nHost: bank.example\r\nAuthorization: DPoP %s\r\nDPoP: %s\r\n\r\n",
				dpop, w.app.key.Proof("GET", origin+"/accounts", dpop, nil)))
		}
	}
	for range rounds {
		for _, path := range paths {
			if err := path.run(ctx, w, round); err != nil {
				return err
			}
		}
	}
	for _, path := range paths {
		p.line(fmt.Sprintf("  %-45s %8.0f   %.2f", path.name, path.rate(), path.rate()/paths[0].rate()))
	}
	return nil
}

// run calls as often as it can for one round.
func (p *path) run(ctx context.Context, w *world, round time.Duration) error {
	conns := make([]*tls.Conn, callers)
	for i := range conns {
		var err error
		if conns[i], err = w.dial(ctx, p.bank); err != nil {
			return err
		}
		defer conns[i].Close() //nolint:errcheck // nothing is left to say
	}
	type result struct {
		n   int
		err error
	}
	results := make(chan result, callers)
	began := time.Now()
	for i := range conns {
		go func() {
			n, err := ask(conns[i], &p.requests[i], began.Add(round))
			results <- result{n, err}
		}()
	}
	var all []error
	for range conns {
		r := <-results
		p.done += r.n
		all = append(all, r.err)
	}
	p.took += time.Since(began)
	return errors.Join(all...)
}

func (w *world) dial(ctx context.Context, b *bank) (*tls.Conn, error) {
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: w.authority.Pool(), ServerName: "bank.example",
		Certificates: []tls.Certificate{w.app.cert}}}
	conn, err := d.DialContext(ctx, "tcp", b.addr)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// ask sends one request after another until the time is over or there is none left.
func ask(conn *tls.Conn, requests *requests, end time.Time) (n int, err error) {
	r := bufio.NewReader(conn)
	for ; time.Now().Before(end); n++ {
		request := requests.take()
		if request == nil {
			return n, nil
		}
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return n, err
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err != nil {
			return n, err
		}
		if response.StatusCode != http.StatusOK {
			return n, fmt.Errorf("status %d while measuring", response.StatusCode)
		}
	}
	return n, nil
}
