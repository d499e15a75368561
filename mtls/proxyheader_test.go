package mtls_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

const signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"

// headerV2 is a header of version 2 with these addresses, or with this body.
func headerV2(command, family byte, body string) string {
	return signatureV2 + string([]byte{command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
}

func endsV2(from, to string) string {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	ports := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, a.Port()), b.Port())
	return string(a.Addr().AsSlice()) + string(b.Addr().AsSlice()) + string(ports)
}

const (
	ours4, ours6 = "192.0.2.1:443", "[2001:db8::1]:443"
	its4, its6   = "203.0.113.7:4711", "[2001:db8:7::7]:4711"
)

var proxyHeaders = map[string]struct {
	header string
	want   string // the client; "own" is the proxy itself, empty is refused
}{
	"v1, IPv4":                 {"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", its4},
	"v1, IPv6":                 {"PROXY TCP6 2001:db8:7::7 2001:db8::1 4711 443\r\n", its6},
	"v1, mapped":               {"PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 4711 443\r\n", its4},
	"v1, unknown":              {"PROXY UNKNOWN\r\n", "own"},
	"v1, unknown with more":    {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "own"},
	"v1, the longest":          {"PROXY UNKNOWN " + strings.Repeat("x", 107-16) + "\r\n", "own"},
	"v1, one byte longer":      {"PROXY UNKNOWN " + strings.Repeat("x", 107-15) + "\r\n", ""},
	"v1, no end":               {"PROXY TCP4 " + strings.Repeat("1", 200), ""},
	"v1, LF only":              {"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\n", ""},
	"v1, two spaces":           {"PROXY TCP4  203.0.113.7 192.0.2.1 4711 443\r\n", ""},
	"v1, tab":                  {"PROXY TCP4\t203.0.113.7 192.0.2.1 4711 443\r\n", ""},
	"v1, space at the end":     {"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443 \r\n", ""},
	"v1, small letters":        {"proxy TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", ""},
	"v1, UDP":                  {"PROXY UDP4 203.0.113.7 192.0.2.1 4711 443\r\n", ""},
	"v1, IPv6 as TCP4":         {"PROXY TCP4 2001:db8:7::7 2001:db8::1 4711 443\r\n", ""},
	"v1, IPv4 as TCP6":         {"PROXY TCP6 203.0.113.7 192.0.2.1 4711 443\r\n", ""},
	"v1, families mixed":       {"PROXY TCP4 203.0.113.7 2001:db8::1 4711 443\r\n", ""},
	"v1, leading zero":         {"PROXY TCP4 203.0.113.07 192.0.2.1 4711 443\r\n", ""},
	"v1, port with zero":       {"PROXY TCP4 203.0.113.7 192.0.2.1 04711 443\r\n", ""},
	"v1, port with sign":       {"PROXY TCP4 203.0.113.7 192.0.2.1 +4711 443\r\n", ""},
	"v1, port too large":       {"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n", ""},
	"v1, zone":                 {"PROXY TCP6 fe80::1%eth0 2001:db8::1 4711 443\r\n", ""},
	"v1, nobody":               {"PROXY TCP4 0.0.0.0 192.0.2.1 4711 443\r\n", ""},
	"v1, NUL":                  {"PROXY UNKNOWN \x00\r\n", ""},
	"v1, nothing":              {"PROXY \r\n", ""},
	"v2, IPv4":                 {headerV2(0x21, 0x11, endsV2(its4, ours4)), its4},
	"v2, IPv6":                 {headerV2(0x21, 0x21, endsV2(its6, ours6)), its6},
	"v2, mapped":               {headerV2(0x21, 0x21, endsV2("[::ffff:203.0.113.7]:4711", ours6)), its4},
	"v2, with vectors":         {headerV2(0x21, 0x11, endsV2(its4, ours4)+"\x05\x00\x02id\x04\x00\x00"), its4},
	"v2, local":                {headerV2(0x20, 0x00, ""), "own"},
	"v2, local with addresses": {headerV2(0x20, 0x11, endsV2(its4, ours4)), "own"},
	"v2, unspecified":          {headerV2(0x21, 0x00, ""), "own"},
	"v2, the longest":          {headerV2(0x20, 0x00, strings.Repeat("x", 2048-16)), "own"},
	"v2, one byte longer":      {headerV2(0x20, 0x00, strings.Repeat("x", 2048-15)), ""},
	"v2, version 1":            {headerV2(0x11, 0x11, endsV2(its4, ours4)), ""},
	"v2, another command":      {headerV2(0x22, 0x11, endsV2(its4, ours4)), ""},
	"v2, datagrams":            {headerV2(0x21, 0x12, endsV2(its4, ours4)), ""},
	"v2, local sockets":        {headerV2(0x21, 0x31, strings.Repeat("x", 216)), ""},
	"v2, nameless sockets":     {headerV2(0x21, 0x31, "\x00\x00\x00\x00"), ""},
	"v1, almost unknown":       {"PROXY UNKNOWNS\r\n", ""},
	"v2, too short":            {headerV2(0x21, 0x11, endsV2(its4, ours4)[:11]), ""},
	"v2, IPv6 too short":       {headerV2(0x21, 0x21, endsV2(its4, ours4)), ""},
	"v2, vector cut short":     {headerV2(0x21, 0x11, endsV2(its4, ours4)+"\x05\x00\x03id"), ""},
	"v2, half a vector":        {headerV2(0x21, 0x11, endsV2(its4, ours4)+"\x05\x00"), ""},
	"v2, mapped, nobody":       {headerV2(0x21, 0x21, endsV2("[::ffff:0.0.0.0]:1", ours6)), ""},
	"v2, mapped, everybody":    {headerV2(0x21, 0x21, endsV2("[::ffff:224.0.0.1]:1", ours6)), ""},
	"v2, everybody":            {headerV2(0x21, 0x11, endsV2("224.0.0.1:1", ours4)), ""},
	"no header, HTTP":          {"GET / HTTP/1.1\r\nHost: bank.example\r\n\r\n", ""},
	"no header, TLS":           {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""},
	"white space before":       {" PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", ""},
}

func TestProxyStatements(t *testing.T) {
	l := stating(t, 0, "127.0.0.1/32")
	for name, c := range proxyHeaders {
		t.Run("C1/"+name, func(t *testing.T) {
			before := l.Refused()
			conn := dial(t, l, c.header)
			if c.want == "" {
				_ = conn.(*net.TCPConn).CloseWrite() // unless it is closed already
				// The next one that is accepted is not this one.
				good := dial(t, l, "PROXY UNKNOWN\r\nafter")
				got, err := l.Accept()
				if err != nil || got.RemoteAddr().String() != good.LocalAddr().String() {
					t.Fatalf("%v, %v", got, err)
				}
				_ = got.Close()
				closed(t, conn)
				if l.Refused() != before+1 {
					t.Errorf("%d refused", l.Refused()-before)
				}
				return
			}
			if _, err := io.WriteString(conn, "payload"); err != nil {
				t.Fatal(err)
			}
			closeWrite(t, conn)
			got, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = got.Close() }()
			want := c.want
			if want == "own" {
				want = conn.LocalAddr().String()
			}
			rest, err := io.ReadAll(got)
			if got.RemoteAddr().String() != want || string(rest) != "payload" || err != nil {
				t.Errorf("%v, %q, %v", got.RemoteAddr(), rest, err)
			}
		})
	}
}

func closeWrite(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// FuzzProxyHeader: what is read does not depend on how the bytes come, nothing after the header counts, and what is
// read is what the one canonical header says.
func FuzzProxyHeader(f *testing.F) {
	seeds := 0
	for _, c := range proxyHeaders {
		f.Add([]byte(c.header))
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		client, n, err := mtls.ParseProxyHeader(data)
		if err != nil || n == 0 {
			if len(data) >= 2048 && err == nil {
				t.Fatalf("%d bytes are not enough", len(data))
			}
			return
		}
		for i := range n {
			if _, early, err := mtls.ParseProxyHeader(data[:i]); early != 0 || err != nil {
				t.Fatalf("%q: %d bytes gave %d, %v", data, i, early, err)
			}
		}
		again, m, err := mtls.ParseProxyHeader(append(bytes.Clone(data[:n]), "PROXY"...))
		if again != client || m != n || err != nil {
			t.Fatalf("%q: %v %d, then %v %d, %v", data, client, n, again, m, err)
		}
		if !client.IsValid() {
			return
		}
		family, to := "TCP4", "192.0.2.1"
		if client.Addr().Is6() {
			family, to = "TCP6", "2001:db8::1"
		}
		text := fmt.Sprintf("PROXY %s %s %s %d 443\r\n", family, client.Addr(), to, client.Port())
		if again, _, err := mtls.ParseProxyHeader([]byte(text)); err != nil || again != client {
			t.Fatalf("%q was read as %v, which is read as %v, %v", data, client, again, err)
		}
	})
}

// TestProxyHeaderWithoutEnd: of a line that is too long no more is waited for.
func TestProxyHeaderWithoutEnd(t *testing.T) {
	for n, want := range map[int]bool{106: true, 107: false, 2048: false} {
		text := "PROXY UNKNOWN " + strings.Repeat("x", n-14)
		if _, took, err := mtls.ParseProxyHeader([]byte(text)); (err == nil) != want || took != 0 {
			t.Errorf("C1/%d bytes: %d, %v", n, took, err)
		}
	}
}
