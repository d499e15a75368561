package ratelimit_test

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/ratelimit"
)

func TestKey(t *testing.T) {
	t.Run("pitfall-85", func(t *testing.T) {
		seen := map[string][]string{}
		for _, parts := range [][]string{{"a:b", "c"}, {"a", "b:c"}, {"a", "b", "c"}, {"a:b:c"}, {"abc"}, {"ab", "c"}, {"1:a", "1:b"}, {"1:a1:b"}, {"a1:b"}, {"a", "b"}, {"b", "a"}} {
			k := ratelimit.Key(parts...)
			if other, twice := seen[k]; twice {
				t.Errorf("%q and %q give one key %q", parts, other, k)
			}
			seen[k] = parts
		}
	})
	t.Run("nobody is no key", func(t *testing.T) {
		for _, parts := range [][]string{nil, {""}, {"tenant", ""}, {"", "client"}} {
			if k := ratelimit.Key(parts...); k != "" {
				t.Errorf("%q gives %q", parts, k)
			}
		}
	})
}

// FuzzKey's law: a key can be read back, so no two lists give one.
func FuzzKey(f *testing.F) {
	seeds := []string{"", "a", "a:b", "1:a", "12:", "\x00", strings.Repeat("x", 200)}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s, "b", s+"c")
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		parts := []string{a, b, c}
		rest, read := ratelimit.Key(parts...), []string(nil)
		for rest != "" {
			size, after, ok := strings.Cut(rest, ":")
			n, err := strconv.Atoi(size)
			if !ok || err != nil || n < 1 || n > len(after) {
				t.Fatalf("%q cannot be read", rest)
			}
			read, rest = append(read, after[:n]), after[n:]
		}
		if a == "" || b == "" || c == "" {
			parts = nil
		}
		if fmt.Sprintf("%q", read) != fmt.Sprintf("%q", parts) {
			t.Fatalf("%q was read from the key of %q", read, parts)
		}
	})
}

func peer(remote string) (string, error) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	return ratelimit.PeerAddress(r)
}

// L1, L9: an address is a caller, of IPv6 its /64, whatever form it comes in.
func TestPeerAddress(t *testing.T) {
	for _, c := range []struct{ name, remote, want string }{
		{"L9 IPv4", "192.0.2.1:1234", "192.0.2.1"},
		{"pitfall-83 one /64", "[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"},
		{"pitfall-83 the same /64", "[2001:db8:1:2:ffff::]:2", "2001:db8:1:2::/64"},
		{"pitfall-83 another /64", "[2001:db8:1:3::1]:1", "2001:db8:1:3::/64"},
		{"pitfall-83 mapped", "[::ffff:1.2.3.4]:1", "1.2.3.4"},
		{"pitfall-83 mapped, another", "[::ffff:5.6.7.8]:1", "5.6.7.8"},
		{"translated", "[64:ff9b::1.2.3.4]:1", "1.2.3.4"},
		{"translated, another", "[64:ff9b::5.6.7.8]:1", "5.6.7.8"},
		{"not translated", "[64:ff9b:1::1.2.3.4]:1", "64:ff9b:1::/64"},
		{"loopback", "[::1]:1", "::/64"},
		{"pitfall-84 zone", "[fe80::1%eth0]:1", "fe80::1%eth0"},
		{"pitfall-84 another zone", "[fe80::1%eth1]:1", "fe80::1%eth1"},
		{"pitfall-84 mapped, in a zone", "[::ffff:1.2.3.4%eth0]:1", "::ffff:1.2.3.4%eth0"},
		{"pitfall-84 another host in the zone", "[fe80::2%eth0]:1", "fe80::2%eth0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := peer(c.remote); err != nil || got != c.want {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	for _, remote := range []string{"", "@", "pipe", "192.0.2.1", "192.0.2.01:1", "192.0.2.1:99999", "host.example:1", "[::1]", "::1:1", ":1", "[]:1", "[::ffff:1.2.3.4%x]:1:1"} {
		t.Run("pitfall-84 "+remote, func(t *testing.T) {
			if got, err := peer(remote); err == nil || got != "" || remote != "" && strings.Contains(err.Error(), remote) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// L9: other prefixes, where one customer is given more or less.
func TestPeerPrefix(t *testing.T) {
	for _, c := range []struct {
		bits4, bits6 int
		remote, want string
	}{
		{24, 48, "192.0.2.77:1", "192.0.2.0/24"},
		{24, 48, "[::ffff:192.0.2.77]:1", "192.0.2.0/24"},
		{24, 48, "[2001:db8:1:2::9]:1", "2001:db8:1::/48"},
		{32, 128, "[2001:db8:1:2::9]:1", "2001:db8:1:2::9"},
		{32, 56, "[2001:db8:1:2ff::9]:1", "2001:db8:1:200::/56"},
	} {
		f, err := ratelimit.PeerPrefix(c.bits4, c.bits6)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if got, err := f(r); err != nil || got != c.want {
			t.Errorf("%d, %d: %q gives %q, %v; want %q", c.bits4, c.bits6, c.remote, got, err, c.want)
		}
	}
	for _, bits := range [][2]int{{0, 64}, {33, 64}, {32, 0}, {32, 129}, {-1, -1}} {
		if _, err := ratelimit.PeerPrefix(bits[0], bits[1]); err == nil {
			t.Errorf("%v was taken", bits)
		}
	}
}

// FuzzPeerAddress's law: a key is the address, or the /64 or the zoned address that holds it.
func FuzzPeerAddress(f *testing.F) {
	seeds := []string{"192.0.2.1:1", "[::1]:80", "[fe80::1%0]:1", "[::ffff:1.2.3.4]:1", "@", "1.2.3.4:", "[::ffff:1.2.3.4%a]:1", "[::1%]:1"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		key, err := peer(remote)
		if err != nil {
			if key != "" {
				t.Fatalf("%q with %v", key, err)
			}
			return
		}
		ap := netip.MustParseAddrPort(remote)
		if p, err := netip.ParsePrefix(key); err == nil {
			if p.Bits() != 64 || !p.Contains(ap.Addr()) || p != p.Masked() {
				t.Fatalf("%q gives %q", remote, key)
			}
			return
		}
		a, from := netip.MustParseAddr(key), ap.Addr().Unmap()
		if a.Is4() && strings.HasPrefix(from.String(), "64:ff9b::") {
			from = netip.AddrFrom4([4]byte(from.AsSlice()[12:]))
		}
		if a.Unmap() != from {
			t.Fatalf("%q gives %q", remote, key)
		}
	})
}
